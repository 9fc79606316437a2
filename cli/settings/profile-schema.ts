/** The profile: what runs in the guest, what it sees and what it may contact. */
import type { FromSchema } from 'json-schema-to-ts';
import { interceptorProperties, jobProperties } from './job-schema.ts';

export const profileSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Mentu profile',
  description: 'What runs in a guest, what it sees of the host and what it may contact. Relative paths are relative to this file.',
  type: 'object',
  additionalProperties: false,
  properties: {
    $schema: { type: 'string', description: 'The JSON Schema of this file, for editors.' },
    ...jobProperties,
    interceptor: {
      type: 'object',
      additionalProperties: false,
      description: 'How flows are captured. Holds where the job runs with --interceptor.',
      properties: {
        preset: { type: 'string', minLength: 1, description: 'The name of a preset, or the path of one (./my-preset.yaml), relative to this file. Default: standard.' },
        ...interceptorProperties,
      },
    },
  },
} as const;

export type Profile = FromSchema<typeof profileSchema>;
