/** Where recipes lie: `.mentu/recipes/` of the working directory, then `$MENTU_HOME/recipes/`. A path leads anywhere. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { MentuError } from '../../core/index.ts';
import { mentuHome } from '../../plugins/cir-sink/location.ts';
import { nearest } from '../nearest.ts';
import { reasonOf } from '../settings/source-file.ts';

const ENDING = '.json';

export interface RecipeLocation {
  /** The name of the file, without its ending. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** As messages show it. */
  readonly shown: string;
  /** The recipe of the same name in the user's home that this one stands before. */
  readonly hides: string | null;
}

/** The recipe of a name, or the file that a path names. Throws `recipe_unknown`. */
export function locateRecipe(reference: string, cwd: string, home = mentuHome()): RecipeLocation {
  if (reference.includes('/') || reference.endsWith(ENDING)) {
    const path = resolve(cwd, reference);
    return { name: basename(path, ENDING), path, shown: reference, hides: null };
  }
  const known = listRecipes(cwd, home);
  const found = known.find(({ name }) => name === reference);
  if (found) return found;
  const near = nearest(reference, known.map(({ name }) => name)) ?? (existsSync(resolve(cwd, reference)) ? `./${reference}` : undefined);
  throw new MentuError('recipe_unknown', {
    recipe: reference,
    near: near === undefined ? '' : `, did you mean \`${near}\`?`,
    known: [...new Set(known.map(({ name }) => name))].join(', ') || 'none',
    folders: folders(cwd, home).map(({ shown }) => shown).join(' and '),
  });
}

/** All that have names, those of the working directory first. A recipe that another hides comes after it. */
export function listRecipes(cwd: string, home = mentuHome()): RecipeLocation[] {
  const [here = [], ofHome = []] = folders(cwd, home).map(({ path, shown }) =>
    namesIn(path).map((name) => ({ name, path: join(path, `${name}${ENDING}`), shown: join(shown, `${name}${ENDING}`), hides: null })),
  );
  const hidden = new Map(ofHome.map(({ name, path }) => [name, path]));
  return [...here.map((recipe) => ({ ...recipe, hides: hidden.get(recipe.name) ?? null })), ...ofHome];
}

function folders(cwd: string, home: string): { path: string; shown: string }[] {
  const here = join(cwd, '.mentu', 'recipes');
  const ofHome = join(home, 'recipes');
  return [here, ...(ofHome === here ? [] : [ofHome])].map((path) => ({ path, shown: path === here ? relative(cwd, path) : path }));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => file.endsWith(ENDING) && !file.startsWith('.')).map((file) => file.slice(0, -ENDING.length)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new MentuError('file_unreadable', { what: 'folder of recipes', file: folder, reason: reasonOf(error) }, { cause: error });
  }
}
