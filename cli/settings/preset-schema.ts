/** The preset: what is recorded, and which plugins see, decide and store, in their order. */
import type { FromSchema } from 'json-schema-to-ts';
import { patterns, recordProperties } from './job-schema.ts';

export const pluginsSchema = {
  type: 'array',
  description: 'Plugins in the order in which they run: a name, or one key with its options ({redact: {…}}), or false to leave an inherited one out ({redact: false}). A name is a built-in plugin, a path relative to this file (./my-plugin) or an npm package.',
  items: {
    type: ['string', 'object'],
    minLength: 1,
    minProperties: 1,
    maxProperties: 1,
    additionalProperties: { type: ['object', 'null', 'boolean'] },
  },
} as const;

export const presetSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Mentu preset',
  description: 'What a capture records and which plugins it runs.',
  type: 'object',
  additionalProperties: false,
  properties: {
    $schema: { type: 'string', description: 'The JSON Schema of this file, for editors.' },
    description: { type: 'string', minLength: 1, description: 'One line for `mentu-runtime presets list`.' },
    extends: { type: 'string', minLength: 1, description: "The name or the path of a preset whose plugins come before this one's, and whose settings hold where this one is silent." },
    record: {
      type: 'object',
      additionalProperties: false,
      description: 'What of the flows is kept.',
      properties: {
        bodies: { type: 'string', enum: ['whole', 'none'], description: 'whole: bodies are recorded (default); none: their size and no content.' },
        ...recordProperties,
      },
    },
    domains: {
      type: 'object',
      additionalProperties: false,
      description: 'Lists of hosts beside those of the profile: deny lists unite, allow lists intersect.',
      properties: {
        allowed: patterns('Only these hosts are allowed. Absent: all; empty: none.'),
        denied: patterns('These hosts are denied.'),
      },
    },
    plugins: pluginsSchema,
  },
} as const;

export type PresetFile = FromSchema<typeof presetSchema>;
