/** The `plugins` of a preset or of `mentu.yaml`, and what a list does to the one it extends. */
import { dirname, isAbsolute, resolve } from 'node:path';
import { MentuError, type ErrorPlace } from '../../core/index.ts';
import { nearest } from '../nearest.ts';
import { presetsFolder } from './installation.ts';
import type { PresetFile } from './preset-schema.ts';
import type { Path, SourceDocument } from './source-document.ts';
import { dotted } from './validation.ts';

/** A plugin as a file lists it, not yet loaded. */
export interface PluginReference {
  /** As it is written: a built-in name, a path or an npm package. */
  readonly key: string;
  /** The absolute path of a plugin named by path, else the key. */
  readonly identity: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** True where the file gives options, if only an empty set of them. */
  readonly hasOptions: boolean;
  /** The file that lists it, and the options' path in it. */
  readonly document: SourceDocument;
  readonly optionsPath: Path;
  readonly place: ErrorPlace;
  /** `preset standard`, `mentu.yaml`. */
  readonly origin: string;
}

export function isPath(reference: string): boolean {
  return /^\.{1,2}(\/|$)/.test(reference) || isAbsolute(reference);
}

/**
 * The inherited plugins, then the listed ones in their order. One that is inherited already keeps its
 * turn, and its options too unless new ones are given, which take their place whole; `NAME: false` leaves it out.
 */
export function extendPlugins(inherited: readonly PluginReference[], document: SourceDocument, items: NonNullable<PresetFile['plugins']>, origin: string): PluginReference[] {
  const plugins = [...inherited];
  const listed = new Map<string, ErrorPlace>();
  items.forEach((item, index) => {
    const { reference, left } = readItem(item, index, document, origin);
    const earlier = listed.get(reference.identity);
    if (earlier) throw new MentuError('plugin_duplicate', { plugin: reference.key, first: at(earlier), second: at(reference.place) }, { place: reference.place });
    listed.set(reference.identity, reference.place);
    const turn = plugins.findIndex((plugin) => plugin.identity === reference.identity);
    if (!left) {
      if (turn < 0) plugins.push(reference);
      else if (reference.hasOptions) plugins[turn] = reference;
    } else if (turn >= 0) plugins.splice(turn, 1);
    else {
      const keys = inherited.map((plugin) => plugin.key);
      const near = nearest(reference.key, keys);
      throw new MentuError(
        'plugin_not_inherited',
        { plugin: reference.key, near: near === undefined ? '' : `, did you mean \`${near}\`?`, known: keys.join(', ') || 'none' },
        { place: reference.place },
      );
    }
  });
  return plugins;
}

function readItem(item: string | Record<string, unknown>, index: number, document: SourceDocument, origin: string): { reference: PluginReference; left: boolean } {
  const [key, value] = typeof item === 'string' ? [item, null] : Object.entries(item)[0]!;
  const path: Path = typeof item === 'string' ? ['plugins', index] : ['plugins', index, key];
  if (value === true) {
    throw new MentuError('settings_wrong_value', { where: dotted(path), expected: 'options, or false', actual: 'true', hint: `Write \`- ${key}\` to run it without options.` }, { place: document.placeOf(path) });
  }
  const identity = isPath(key) ? resolve(dirname(document.path), key) : key;
  const hasOptions = typeof value === 'object' && value !== null;
  const options = hasOptions ? (value as Record<string, unknown>) : {};
  return { reference: { key, identity, options, hasOptions, document, optionsPath: path, place: document.placeOfKey(path), origin }, left: value === false };
}

/** True for what a preset shipped with this package lists. */
export function isShipped(reference: PluginReference): boolean {
  return dirname(reference.document.path) === presetsFolder;
}

/** `file:line` for use inside a message. */
export function at(place: ErrorPlace): string {
  return [place.file, place.line].filter((part) => part !== undefined).join(':');
}
