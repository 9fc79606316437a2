/** The recipe: commands that run one after the other, each in a guest or on the host. Checked, typed and published from here. */
import type { FromSchema } from 'json-schema-to-ts';

const env = (description: string) => ({ type: 'object', additionalProperties: { type: 'string' }, description }) as const;
const engine = (description: string) => ({ type: 'string', pattern: '^[a-z][a-z0-9-]*$', description }) as const;
const names = (description: string) => ({ type: 'array', items: { type: 'string', minLength: 1 }, description }) as const;
const stepName = (description: string) => ({ type: 'string', minLength: 1, maxLength: 200, description }) as const;

const stepSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    name: stepName('The name of the step, once in the recipe: any text. Default: step-1 for the first, and so on.'),
    label: stepName('Another word for `name`.'),
    command: { type: 'string', minLength: 1, description: 'The program to run. Without it, the first of `args` is the program.' },
    args: { type: 'array', items: { type: 'string' }, description: 'The arguments of the command; without `command`, the program and its arguments.' },
    env: env("Variables of this step, beside the recipe's."),
    vm: { type: 'boolean', description: "True: the step runs in a guest; false: on the host. Default: the recipe's `vm`." },
    engine: engine('The guest engine of this step.'),
    enableInterception: { type: 'boolean', description: 'True: what the guest sends and gets is captured. Has no effect on the host. Default: false.' },
    profile: { type: 'string', minLength: 1, description: 'The profile of this step, relative to this file.' },
    preset: { type: 'string', minLength: 1, description: 'The preset of this step: a name, or a path relative to this file.' },
    timeout: { type: ['number', 'string'], minimum: 0, description: 'The time after which the step is ended, with exit code 124: a number of seconds, or a time such as "90s", "5m" or "1h30m". 0: none.' },
    continueOnError: { type: 'boolean', description: 'True: the run goes on where this step fails. Default: false.' },
  },
} as const;

export const recipeSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Mentu recipe',
  description: 'Steps that run one after the other, each in a guest or on the host. ${NAME} in command, args, env, workspace, profile and preset stands for the value of --var NAME=VALUE.',
  type: 'object',
  additionalProperties: false,
  required: ['steps'],
  properties: {
    $schema: { type: 'string', description: 'The JSON Schema of this file, for editors.' },
    name: { type: 'string', minLength: 1, maxLength: 200, description: 'What the recipe is called in messages and signals. Default: the name of the file.' },
    description: { type: 'string', minLength: 1, description: 'One line for `mentu recipe list`.' },
    workspace: { type: 'string', minLength: 1, description: 'The working directory of the steps, relative to this file. Guests without mounts of their own see it as /workspace. Default: the directory in which the recipe is run.' },
    env: env("Variables of every step, beside those of its profile. Nothing of the host's environment reaches a guest."),
    requires: {
      type: 'object',
      additionalProperties: false,
      description: 'What the host must have before anything runs.',
      properties: {
        bins: names('Programs that must be on the PATH.'),
        env: names('Variables that must be set to a text that is not empty, in the environment or under `env`.'),
      },
    },
    vm: { type: 'boolean', description: 'True: steps run in a guest. Default: false.' },
    engine: engine('The guest engine of steps that name none.'),
    profile: { type: 'string', minLength: 1, description: 'The profile of steps that name none, relative to this file.' },
    steps: { type: 'array', minItems: 1, maxItems: 1000, items: stepSchema, description: 'What runs, in this order.' },
  },
} as const;

export type RecipeFile = FromSchema<typeof recipeSchema>;
export type StepEntry = RecipeFile['steps'][number];
