/** A recipe as it is to run: variables filled, paths absolute, every step with what it takes from the recipe. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { MentuError, type ErrorPlace } from '../../core/index.ts';
import { readTimeout } from '../settings/guest-part.ts';
import { readEnvironment } from '../settings/job-part.ts';
import { isPath } from '../settings/plugin-list.ts';
import type { Path, SourceDocument } from '../settings/source-document.ts';
import { reasonOf, type SourceFiles } from '../settings/source-file.ts';
import { readRecipeDocument } from './recipe-document.ts';
import type { RecipeFile, StepEntry } from './recipe-schema.ts';
import type { Variables } from './variables.ts';

export interface Step {
  /** Unique in the recipe; any text. */
  readonly name: string;
  /** The program and its arguments; empty where the profile is to name them. */
  readonly commandLine: readonly string[];
  /** The recipe's and the step's own. */
  readonly env: Readonly<Record<string, string>>;
  readonly vm: boolean;
  /** As the step names it, or the recipe for steps that may run in a guest. */
  readonly engine: string | null;
  readonly capture: boolean;
  /** Absolute path. */
  readonly profile: string | null;
  /** A name, or an absolute path. */
  readonly preset: string | null;
  /** Milliseconds, 0 for none; undefined: as the profile says. */
  readonly timeout: number | undefined;
  readonly continueOnError: boolean;
  /** The place of a key in the file: the step's own where it has it, else the recipe's, else the step. */
  placeOf(key?: keyof StepEntry): ErrorPlace;
}

export interface Recipe {
  readonly name: string;
  readonly description: string | null;
  readonly document: SourceDocument;
  /** Absolute; null: the directory in which the recipe is run. */
  readonly workspace: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly requires: { readonly bins: readonly string[]; readonly env: readonly string[] };
  readonly steps: readonly Step[];
}

/** Throws a `MentuError` with the place of the first mistake. @param name what the recipe is called where its file does not say. */
export function readRecipe(files: SourceFiles, path: string, name: string, variables: Variables): Recipe {
  const document = readRecipeDocument(files, path);
  const value = document.value as RecipeFile;
  const folder = dirname(document.path);
  const fill = (text: string, at: Path): string => variables.fill(text, document.placeOf(at));
  const fillMap = (map: Readonly<Record<string, string>> | undefined, at: Path) =>
    readEnvironment(Object.fromEntries(Object.entries(map ?? {}).map(([key, text]) => [key, fill(text, [...at, key])])), document, at);

  const env = fillMap(value.env, ['env']);
  const recipeProfile = value.profile === undefined ? null : resolve(folder, fill(value.profile, ['profile']));
  const workspace = value.workspace === undefined ? null : resolve(folder, fill(value.workspace, ['workspace']));
  if (workspace !== null && !variables.waits(workspace)) requireFolder(workspace, value.workspace!, document.placeOf(['workspace']));

  const steps = value.steps.map((entry, index): Step => {
    const at = (...path: Path): Path => ['steps', index, ...path];
    const placeOf = (key?: keyof StepEntry): ErrorPlace => {
      if (key === undefined) return document.placeOf(at());
      return key in entry ? document.placeOf(at(key)) : document.placeOf(key in value ? [key] : at());
    };
    const refuse = (reason: string, mend: string, place: ErrorPlace) => new MentuError('recipe_step_invalid', { step: stepName(entry, index), reason, mend }, { place });
    if (entry.name !== undefined && entry.label !== undefined) throw refuse('it has both a `name` and a `label`', 'Keep one of them.', document.placeOfKey(at('label')));
    const args = (entry.args ?? []).map((text, position) => fill(text, at('args', position)));
    const command = entry.command === undefined ? [] : [fill(entry.command, at('command'))];
    const commandLine = [...command, ...args];
    if (commandLine[0] === '') throw refuse('its command is empty', 'Name a program.', document.placeOf(at(entry.command === undefined ? 'args' : 'command')));
    const profile = entry.profile === undefined ? recipeProfile : resolve(folder, fill(entry.profile, at('profile')));
    if (commandLine.length === 0 && profile === null) throw refuse('it has neither `command` nor `args`', 'Give it `args`, of which the first is the program.', placeOf());
    const preset = entry.preset === undefined ? null : fill(entry.preset, at('preset'));
    return {
      name: stepName(entry, index),
      commandLine,
      env: { ...env, ...fillMap(entry.env, at('env')) },
      vm: entry.vm ?? value.vm ?? false,
      engine: entry.engine ?? (entry.vm === false ? undefined : value.engine) ?? null,
      capture: entry.enableInterception ?? false,
      profile,
      preset: preset !== null && (isPath(preset) || /\.ya?ml$/.test(preset)) ? resolve(folder, preset) : preset,
      timeout: readTimeout(entry.timeout, document, at('timeout')),
      continueOnError: entry.continueOnError ?? false,
      placeOf,
    };
  });
  refuseDuplicates(steps, document);
  return {
    name: value.name ?? name,
    description: value.description ?? null,
    document,
    workspace,
    env,
    requires: { bins: value.requires?.bins ?? [], env: value.requires?.env ?? [] },
    steps,
  };
}

function stepName(entry: StepEntry, index: number): string {
  return entry.name ?? entry.label ?? `step-${index + 1}`;
}

function refuseDuplicates(steps: readonly Step[], document: SourceDocument): void {
  steps.forEach(({ name }, index) => {
    const first = steps.findIndex((other) => other.name === name);
    if (first === index) return;
    throw new MentuError('recipe_step_duplicate', { name, first: `/steps/${first}` }, { place: document.placeOf(['steps', index]) });
  });
}

function requireFolder(path: string, shown: string, place: ErrorPlace): void {
  const refuse = (reason: string, cause?: unknown) => new MentuError('file_unreadable', { what: 'workspace', file: shown, reason }, { cause, place });
  let isFolder;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw refuse(reasonOf(error).replace('no such file', 'no such folder'), error);
  }
  if (!isFolder) throw refuse('it is no folder');
}
