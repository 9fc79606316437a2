/** What a recipe asks of the host before anything runs. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { MentuError } from '../../core/index.ts';
import type { Recipe } from './recipe.ts';

export interface Lacking {
  readonly bins: readonly string[];
  readonly env: readonly string[];
}

/** What is not there. Variables of the recipe count as set, and its PATH is the one that is searched. */
export function lackingOf(recipe: Recipe, cwd: string, environment: NodeJS.ProcessEnv = process.env): Lacking {
  const variables = { ...environment, ...recipe.env };
  const folders = (variables['PATH'] ?? '').split(delimiter);
  return {
    bins: recipe.requires.bins.filter((bin) => (bin.includes('/') ? !isProgram(resolve(cwd, bin)) : !folders.some((folder) => isProgram(resolve(cwd, folder, bin))))),
    env: recipe.requires.env.filter((name) => !variables[name]),
  };
}

/** Throws `recipe_requires`, which names all of it. */
export function refuseLacking(recipe: Recipe, { bins, env }: Lacking): void {
  const parts = [
    ...(bins.length > 0 ? [`${bins.length === 1 ? 'the program' : 'the programs'} ${bins.join(', ')}`] : []),
    ...(env.length > 0 ? [`${env.length === 1 ? 'the variable' : 'the variables'} ${env.join(', ')}`] : []),
  ];
  if (parts.length > 0) throw new MentuError('recipe_requires', { recipe: recipe.name, lacking: parts.join(' and ') }, { place: recipe.document.placeOf(['requires']) });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
