/** `mentu.yaml`: defaults of the working directory, in the words of the profile and the preset. */
import type { FromSchema } from 'json-schema-to-ts';
import { interceptorProperties, jobProperties } from './job-schema.ts';
import { pluginsSchema } from './preset-schema.ts';

export const configSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'mentu.yaml',
  description: 'Defaults of the working directory. The flags of the command line and the profile beat it; it beats the preset.',
  type: 'object',
  additionalProperties: false,
  properties: {
    $schema: { type: 'string', description: 'The JSON Schema of this file, for editors.' },
    profile: { type: 'string', minLength: 1, description: 'The profile that is used where --profile names none, relative to this file.' },
    preset: { type: 'string', minLength: 1, description: 'The preset that is used where neither --preset nor the profile names one: a name, or a path relative to this file.' },
    jobDir: { type: 'string', minLength: 1, description: "The folder that takes the job's record, relative to this file. Default: .mentu/jobs/<job-id>." },
    ...jobProperties,
    interceptor: {
      type: 'object',
      additionalProperties: false,
      description: 'How flows are captured.',
      properties: interceptorProperties,
    },
    plugins: pluginsSchema,
  },
} as const;

export type ConfigFile = FromSchema<typeof configSchema>;
