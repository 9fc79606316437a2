import { MentuError } from '../../../core/index.ts';
import { defineCommand } from '../../command.ts';
import { safeJson, write, note } from '../../output.ts';
import { listRecipes, type RecipeLocation } from '../../recipe/recipe-location.ts';
import { readRecipe } from '../../recipe/recipe.ts';
import { Variables } from '../../recipe/variables.ts';
import { SourceFiles } from '../../settings/source-file.ts';
import { writeTable } from '../../table.ts';

interface Row {
  readonly name: string;
  readonly file: string;
  /** Null where it cannot be read. */
  readonly steps: number | null;
  readonly description: string | null;
  /** True where a recipe of this directory has its name. */
  readonly hidden: boolean;
  readonly error: string | null;
}

export default defineCommand({
  description: 'Lists the recipes that have names: those in .mentu/recipes/ here, then those in ~/.mentu/recipes/ ($MENTU_HOME/recipes/).',
  flags: { json: { type: 'boolean', description: 'print JSON' } },
  async run({ flags }) {
    const cwd = process.cwd();
    const locations = listRecipes(cwd);
    const rows = locations.map((location) => rowOf(location, cwd, locations));
    if (flags.json) await write(`${safeJson(rows, 2)}\n`);
    else if (rows.length === 0) note('There are no recipes yet: they are JSON files in .mentu/recipes/.');
    else await writeTable(columns, rows);
    return 0;
  },
});

function rowOf({ name, path, shown }: RecipeLocation, cwd: string, all: readonly RecipeLocation[]): Row {
  const hidden = all.some(({ hides }) => hides === path);
  try {
    const { steps, description } = readRecipe(new SourceFiles(cwd), path, name, Variables.of([], true));
    return { name, file: shown, steps: steps.length, description, hidden, error: null };
  } catch (error) {
    if (!(error instanceof MentuError)) throw error;
    return { name, file: shown, steps: null, description: null, hidden, error: error.toString() };
  }
}

const columns = [
  { title: 'RECIPE', text: (row: Row) => row.name },
  { title: 'STEPS', text: (row: Row) => String(row.steps ?? '-') },
  { title: 'FILE', text: (row: Row) => row.file },
  { title: 'DESCRIPTION', text: (row: Row) => row.error ?? `${row.hidden ? '(hidden by the one here) ' : ''}${row.description ?? ''}`, style: (row: Row) => (row.error === null ? undefined : ('red' as const)) },
];
