import { defineCommand } from '../../command.ts';
import { safeJson, visible, write } from '../../output.ts';
import { commandText } from '../../recipe/plan-text.ts';
import { locateRecipe } from '../../recipe/recipe-location.ts';
import { readRecipe, type Recipe, type Step } from '../../recipe/recipe.ts';
import { Variables } from '../../recipe/variables.ts';
import { durationText } from '../../settings/duration.ts';
import { SourceFiles } from '../../settings/source-file.ts';
import { writeTable } from '../../table.ts';

export default defineCommand({
  description: 'Prints a recipe as it takes effect: each step with what it takes from the recipe.',
  flags: { json: { type: 'boolean', description: 'print JSON' } },
  positionals: { usage: 'NAME|FILE', min: 1, max: 1 },
  notes: '"mentu run NAME --dry-run" also says which engine each step gets here.',
  async run({ flags, positionals }) {
    const cwd = process.cwd();
    const variables = Variables.of([], true);
    const { path, name, shown } = locateRecipe(positionals[0]!, cwd);
    const recipe = readRecipe(new SourceFiles(cwd), path, name, variables);
    if (flags.json) {
      await write(`${safeJson(described(recipe, variables), 2)}\n`);
      return 0;
    }
    const { requires, env } = recipe;
    const lines: [string, string][] = [
      ['recipe', recipe.name],
      ['file', shown],
      ...(recipe.description === null ? [] : [['description', recipe.description] as [string, string]]),
      ['workspace', recipe.workspace ?? '(where it is run)'],
      ...Object.entries(env).map(([key, value]): [string, string] => ['env', `${key}=${value}`]),
      ...(requires.bins.length === 0 ? [] : [['requires', `programs ${requires.bins.join(', ')}`] as [string, string]]),
      ...(requires.env.length === 0 ? [] : [['requires', `variables ${requires.env.join(', ')}`] as [string, string]]),
      ...(variables.open.length === 0 ? [] : [['variables', variables.open.join(', ')] as [string, string]]),
    ];
    for (const [title, text] of lines) await write(`${title.padEnd(12)}  ${visible(text)}\n`);
    await write('\n');
    await writeTable(columns, recipe.steps);
    return 0;
  },
});

function described(recipe: Recipe, variables: Variables) {
  const { name, description, workspace, env, requires, steps } = recipe;
  return {
    name,
    file: recipe.document.path,
    description,
    workspace,
    env,
    requires,
    variables: variables.open,
    steps: steps.map(({ placeOf: _, commandLine, timeout, ...step }) => ({ ...step, command: commandLine, timeout: timeout ?? null })),
  };
}

const columns = [
  { title: 'STEP', text: (step: Step) => step.name },
  { title: 'WHERE', text: (step: Step) => (step.vm ? `guest${step.engine === null ? '' : ` (${step.engine})`}` : 'host') },
  { title: 'CAPTURED', text: (step: Step) => (step.vm && step.capture ? 'yes' : 'no') },
  { title: 'PROFILE', text: (step: Step) => step.profile ?? '-' },
  { title: 'TIMEOUT', text: (step: Step) => (step.timeout ? durationText(step.timeout) : '-') },
  { title: 'ON ERROR', text: (step: Step) => (step.continueOnError ? 'continue' : 'stop') },
  { title: 'COMMAND', text: (step: Step) => (step.commandLine.length === 0 ? '(of the profile)' : commandText(step.commandLine)) },
];
