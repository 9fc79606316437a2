/** The files that a trust covers: what `mentu.yaml` reaches, down to the modules that its plugins import. */
import { closeSync, openSync, readdirSync, readFileSync, realpathSync, fstatSync, constants } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MentuError, type ErrorPlace } from '../../core/index.ts';
import type { PluginModules } from '../plugins/modules.ts';
import { findPlugin } from '../plugins/plugin-file.ts';
import type { ConfigReach } from './config-claims.ts';
import { coreModule, presetsFolder } from './installation.ts';
import { reasonOf, sha256, type SourceFiles } from './source-file.ts';

const MAX_FILES = 5000;
const MAX_BYTES = 128 * 1024 * 1024;
/** Folders whose files count only where a module is imported from them. */
const SKIPPED = new Set(['node_modules', '.git', '.mentu']);
const IMPORT = /\b(?:from|import|require)\s*\(?\s*(['"])([^'"\n]+)\1/g;

export interface VouchedFiles {
  /** SHA-256 in hex, by absolute path. */
  readonly hashes: ReadonlyMap<string, string>;
  /** One hash for all of it, and for where the mount sources really lead. */
  readonly digest: string;
}

/** Reads and hashes all files within reach. A plugin named by its folder brings the whole folder, one named by a file that file, each with all they import by a literal name. */
export function vouchedFiles(reach: ConfigReach, files: SourceFiles, modules: PluginModules): VouchedFiles {
  for (const file of reach.caFiles) files.read(file, { what: 'CA file', anyBytes: true });
  for (const file of reach.tlsFiles) files.read(file, { what: 'certificate file', anyBytes: true });
  const tree = new ModuleTree(modules);
  for (const reference of reach.plugins) {
    const { kind, file, folder } = findPlugin(reference, modules, files.cwd);
    if (kind === 'built-in') continue;
    if (folder !== null) tree.addFolder(folder, reference.place);
    tree.addModule(file, reference.place);
  }
  // What this package ships changes with its version, and by nobody else.
  const own = [...files.hashes].filter(([file]) => dirname(file) !== presetsFolder);
  const hashes = new Map([...own, ...tree.hashes].sort(([a], [b]) => (a < b ? -1 : 1)));
  // A source that is a link could be led elsewhere later.
  const mounts = reach.mountSources.map((source) => [source, realSource(source)]).sort();
  return { hashes, digest: sha256(JSON.stringify([[...hashes], mounts])) };
}

function realSource(source: string): string | null {
  try {
    return realpathSync(source);
  } catch {
    // A source that is not there is refused when the mounts are read.
    return null;
  }
}

class ModuleTree {
  readonly hashes = new Map<string, string>();
  readonly #modules: PluginModules;
  readonly #scanned = new Set<string>();
  #bytes = 0;

  constructor(modules: PluginModules) {
    this.#modules = modules;
  }

  /** Every regular file below the folder; links are not followed. */
  addFolder(folder: string, place: ErrorPlace): void {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) {
        if (!SKIPPED.has(entry.name)) this.addFolder(join(folder, entry.name), place);
      } else if (entry.isFile()) this.#add(join(folder, entry.name), place);
    }
  }

  /** A module and what it imports by a literal name. One imported by a computed name is refused when it is loaded, unless it is covered otherwise. */
  addModule(entry: string, place: ErrorPlace): void {
    const waiting = [entry];
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      const real = realpathSync(file);
      if (this.#scanned.has(real) || real === coreModule) continue;
      this.#scanned.add(real);
      const text = this.#add(real, place).toString('utf8');
      for (const [, , specifier] of text.matchAll(IMPORT)) waiting.push(...this.#resolve(specifier!, real));
    }
  }

  #resolve(specifier: string, from: string): string[] {
    if (isBuiltin(specifier)) return [];
    const found: string[] = [];
    // An import and a require of one name may lead to two files.
    for (const resolve of [() => this.#modules.resolve(specifier, dirname(from)), () => createRequire(from).resolve(specifier)]) {
      try {
        const target = resolve();
        if (target.startsWith('file:')) found.push(realpathSync(fileURLToPath(target)));
        else if (target.startsWith('/')) found.push(realpathSync(target));
      } catch {
        // A word in a comment, or an optional import: what is not there cannot be loaded.
      }
    }
    return found;
  }

  #add(file: string, place: ErrorPlace): Buffer {
    const real = realpathSync(file);
    const refuse = (reason: string, cause?: unknown) => new MentuError('file_unreadable', { what: 'plugin file', file: real, reason }, { cause, place });
    if (this.hashes.size >= MAX_FILES || this.#bytes > MAX_BYTES) throw refuse(`its plugin has more than ${MAX_FILES} files or ${MAX_BYTES / 1024 / 1024} MiB, too many to vouch for`);
    try {
      const bytes = readBounded(real, MAX_BYTES);
      this.#bytes += bytes.length;
      this.hashes.set(real, sha256(bytes));
      return bytes;
    } catch (error) {
      throw refuse(reasonOf(error), error);
    }
  }
}

function readBounded(path: string, limit: number): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw new Error('it is not a regular file');
    if (stat.size > limit) throw new Error('it is too large');
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
