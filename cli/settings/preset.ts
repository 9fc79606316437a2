/** Loads a preset with all that it extends. */
import { basename, dirname, resolve } from 'node:path';
import { MentuError, type DomainList, type ErrorPlace } from '../../core/index.ts';
import { nearest } from '../nearest.ts';
import { builtInPresets } from './installation.ts';
import { checkPatterns, readByteSize } from './job-part.ts';
import { LINE_LIMIT_MAX } from './job-schema.ts';
import { extendPlugins, isPath, type PluginReference } from './plugin-list.ts';
import { presetSchema, type PresetFile } from './preset-schema.ts';
import { parseYaml, type SourceDocument } from './source-document.ts';
import type { SourceFiles } from './source-file.ts';
import { check } from './validation.ts';

/** A value and the preset that set it. */
export interface Sourced<Value> {
  readonly value: Value;
  readonly origin: string;
}

export interface PresetRecord {
  readonly bodies?: Sourced<'whole' | 'none'>;
  readonly bodyLimit?: Sourced<number>;
  readonly streamLimit?: Sourced<number>;
  readonly bodyQuota?: Sourced<number>;
}

/** A preset after `extends`. */
export interface Preset {
  /** The built-in name, or the path as messages show it. */
  readonly name: string;
  readonly description: string;
  readonly file: string;
  /** Names from this preset to the last that it extends. */
  readonly chain: readonly string[];
  readonly record: PresetRecord;
  /** One list for each preset of the chain that carries lists. */
  readonly lists: readonly DomainList[];
  readonly plugins: readonly PluginReference[];
  /** True where a file other than the ones shipped here has a say. */
  readonly hasOwnFiles: boolean;
}

/** A preset by name, or by a path relative to `folder`; `place` is where a file names it. */
export function loadPreset(files: SourceFiles, reference: string, folder: string, place?: ErrorPlace): Preset {
  return load(files, reference, folder, place, []);
}

function load(files: SourceFiles, reference: string, folder: string, place: ErrorPlace | undefined, under: readonly { path: string; name: string }[]): Preset {
  const { path, name, isOwn } = locate(files, reference, folder, place);
  if (under.some((child) => child.path === path)) {
    throw new MentuError('preset_cycle', { chain: [...under.map((child) => child.name), name].join(' → ') }, place ? { place } : {});
  }
  const document = parseYaml(files.read(path, { what: 'preset', place }));
  const file = (document.value ?? {}) as PresetFile;
  check(document, presetSchema, [], file);
  checkPatterns(document, ['domains', 'allowed'], file.domains?.allowed);
  checkPatterns(document, ['domains', 'denied'], file.domains?.denied);
  const parent =
    file.extends === undefined ? undefined : load(files, file.extends, dirname(path), document.placeOf(['extends']), [...under, { path, name }]);
  const origin = `preset ${name}`;
  return {
    name,
    description: file.description ?? parent?.description ?? '',
    file: path,
    chain: [name, ...(parent?.chain ?? [])],
    record: { ...parent?.record, ...readRecord(file, document, origin) },
    lists: [...(parent?.lists ?? []), ...(file.domains ? [{ source: `preset ${basename(name)}`, allowed: file.domains.allowed ?? null, denied: file.domains.denied ?? [] }] : [])],
    plugins: extendPlugins(parent?.plugins ?? [], document, file.plugins ?? [], origin),
    hasOwnFiles: isOwn || (parent?.hasOwnFiles ?? false),
  };
}

function locate(files: SourceFiles, reference: string, folder: string, place: ErrorPlace | undefined): { path: string; name: string; isOwn: boolean } {
  if (isPath(reference) || /\.ya?ml$/.test(reference)) {
    const path = resolve(folder, reference);
    return { path, name: files.show(path), isOwn: true };
  }
  const presets = builtInPresets();
  const path = presets.get(reference);
  if (path !== undefined) return { path, name: reference, isOwn: false };
  const near = nearest(reference, presets.keys());
  throw new MentuError(
    'preset_unknown',
    { preset: reference, near: near === undefined ? '' : `, did you mean \`${near}\`?`, known: [...presets.keys()].join(', ') },
    place ? { place } : {},
  );
}

function readRecord(file: PresetFile, document: SourceDocument, origin: string): PresetRecord {
  const { bodies } = file.record ?? {};
  const bodyLimit = readByteSize(file.record?.bodyLimit, document, ['record', 'bodyLimit'], LINE_LIMIT_MAX);
  const streamLimit = readByteSize(file.record?.streamLimit, document, ['record', 'streamLimit'], LINE_LIMIT_MAX);
  const bodyQuota = readByteSize(file.record?.bodyQuota, document, ['record', 'bodyQuota']);
  return {
    ...(bodies === undefined ? {} : { bodies: { value: bodies, origin } }),
    ...(bodyLimit === undefined ? {} : { bodyLimit: { value: bodyLimit, origin } }),
    ...(streamLimit === undefined ? {} : { streamLimit: { value: streamLimit, origin } }),
    ...(bodyQuota === undefined ? {} : { bodyQuota: { value: bodyQuota, origin } }),
  };
}
