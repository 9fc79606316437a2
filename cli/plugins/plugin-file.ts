/** From the name of a plugin in a file to the module that holds it. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MentuError } from '../../core/index.ts';
import { nearest } from '../nearest.ts';
import { builtInPlugins } from '../settings/installation.ts';
import { isPath, type PluginReference } from '../settings/plugin-list.ts';
import type { PluginModules } from './modules.ts';

export type PluginKind = 'built-in' | 'path' | 'package';

export interface PluginFile {
  readonly kind: PluginKind;
  /** Absolute path of the module. */
  readonly file: string;
  readonly url: string;
  /** The plugin's folder where it was named by one, else null. */
  readonly folder: string | null;
}

const ENTRIES = ['index.ts', 'index.mts', 'index.js', 'index.mjs', 'index.cjs'];

export function kindOf(key: string): PluginKind {
  return isPath(key) ? 'path' : builtInPlugins().has(key) ? 'built-in' : 'package';
}

/** Built-in name, then path relative to the file that lists it, then npm package from that file's folder or `cwd`. */
export function findPlugin(reference: PluginReference, modules: PluginModules, cwd: string): PluginFile {
  const kind = kindOf(reference.key);
  if (kind === 'built-in') return pluginFile(kind, builtInPlugins().get(reference.key)!, null);
  if (kind === 'path') return findByPath(reference);
  let reason = 'it is neither built in nor an installed package';
  for (const folder of new Set([dirname(reference.document.path), cwd])) {
    try {
      const url = modules.resolve(reference.key, folder);
      if (url.startsWith('file:') && existsSync(fileURLToPath(url))) return { kind, url, file: fileURLToPath(url), folder: null };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ERR_MODULE_NOT_FOUND') reason = message;
    }
  }
  throw notFound(reference, reason);
}

function findByPath(reference: PluginReference): PluginFile {
  const path = reference.identity;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw notFound(reference, `there is no file or folder ${path}`);
  if (!stat.isDirectory()) return pluginFile('path', path, null);
  const main = mainOf(path);
  const entry = [...(main === undefined ? [] : [main]), ...ENTRIES].find((name) => existsSync(join(path, name)));
  if (entry === undefined) throw notFound(reference, `the folder ${path} holds no ${ENTRIES[0]} (nor ${ENTRIES.slice(1).join(', ')})`);
  return pluginFile('path', join(path, entry), path);
}

function mainOf(folder: string): string | undefined {
  try {
    const { main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { main?: unknown };
    return typeof main === 'string' ? main : undefined;
  } catch {
    // No package.json, or none that says more than the usual names.
    return undefined;
  }
}

function pluginFile(kind: PluginKind, file: string, folder: string | null): PluginFile {
  return { kind, file, url: pathToFileURL(file).href, folder };
}

function notFound(reference: PluginReference, reason: string): MentuError {
  const known = [...builtInPlugins().keys()];
  const near = isPath(reference.key) ? undefined : nearest(reference.key, known);
  return new MentuError(
    'plugin_not_found',
    { plugin: reference.key, reason, near: near === undefined ? '' : `; did you mean \`${near}\`?`, known: known.join(', ') },
    { place: reference.place },
  );
}
