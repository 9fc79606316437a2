import { defineCommand } from '../../command.ts';
import { visible, write } from '../../output.ts';
import { locateRecipe } from '../../recipe/recipe-location.ts';
import { readRecipe } from '../../recipe/recipe.ts';
import { checkNamedFiles } from '../../recipe/step-plan.ts';
import { Variables } from '../../recipe/variables.ts';
import { SourceFiles } from '../../settings/source-file.ts';

export default defineCommand({
  description: 'Checks a recipe, and the profiles and presets that it names, without running anything.',
  flags: { var: { type: 'string', value: 'NAME=VALUE', multiple: true, description: 'the value of ${NAME} in the recipe; what has none is left open' } },
  positionals: { usage: 'FILE|NAME', min: 1, max: 1 },
  notes: 'Exit code 0 where the recipe is valid; 1 where it is not, with the place of the first mistake: file, line, column and JSON pointer.',
  async run({ flags, positionals }) {
    const cwd = process.cwd();
    const files = new SourceFiles(cwd);
    const variables = Variables.of(flags.var, true);
    const { path, name, shown } = locateRecipe(positionals[0]!, cwd);
    const recipe = readRecipe(files, path, name, variables);
    variables.requireUse();
    for (const step of recipe.steps) checkNamedFiles(step, files, variables);
    const open = variables.open.length === 0 ? '' : `, variables ${variables.open.join(', ')}`;
    await write(`${visible(shown)}: valid, ${recipe.steps.length === 1 ? '1 step' : `${recipe.steps.length} steps`} (${recipe.steps.map((step) => visible(step.name)).join(', ')})${open}\n`);
    return 0;
  },
});
