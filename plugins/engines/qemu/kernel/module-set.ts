/** The modules that a guest loads, in the order in which they load. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { moduleName, readModule } from './module.ts';

/** What a guest of QEMU needs of its kernel: the bus, the consoles, entropy, network, the shares and their overlays. */
export const NEEDED_MODULES = ['virtio_mmio', 'virtio_console', 'virtio_rng', 'virtio_net', 'virtiofs', 'overlay'] as const;

/** A module's file name: `virtio-rng.ko`, packed or not. */
const MODULE_FILE = /^(.+)\.ko(?:\.(?:gz|xz|zst))?$/;
const FOLDERS = ['updates', 'extra', 'kernel'];
/** Modules that one needed module brings along are few. */
const SET_LIMIT = 64;

export interface LoadedModule {
  /** Normalised. */
  readonly name: string;
  readonly bytes: Buffer;
}

/** The modules of one kernel: `/lib/modules/<release>`. */
export class ModuleFolder {
  readonly folder: string;
  readonly #files: ReadonlyMap<string, string>;
  readonly #builtIn: ReadonlySet<string>;

  constructor(folder: string) {
    this.folder = folder;
    this.#files = new Map(FOLDERS.toReversed().flatMap((part) => moduleFiles(join(folder, part))));
    this.#builtIn = new Set(builtInModules(folder));
  }

  /** Names of needed modules that the kernel has in no form. */
  get lacking(): string[] {
    return NEEDED_MODULES.filter((name) => !this.#files.has(name) && !this.#builtIn.has(name));
  }

  /** The needed modules and what they need, each after what it needs itself. Throws an `Error` naming what is amiss. */
  async load(release: string, options: { busybox: string | null; keepSignature: boolean }): Promise<LoadedModule[]> {
    if (this.lacking.length > 0) throw new Error(`its modules in ${this.folder} lack ${this.lacking.join(', ')}`);
    const loaded = new Map<string, LoadedModule>();
    const visit = async (name: string, by: readonly string[]): Promise<void> => {
      if (loaded.has(name) || this.#builtIn.has(name)) return;
      if (by.includes(name) || by.length > SET_LIMIT) throw new Error(`its modules need each other in a circle: ${[...by, name].join(', ')}`);
      const file = this.#files.get(name);
      if (file === undefined) throw new Error(`its module ${by.at(-1)} needs ${name}, which is not in ${this.folder}`);
      const module = await readModule(readFileSync(file), options).catch((error: Error) => {
        throw new Error(`its module ${file} cannot be used: ${error.message}`, { cause: error });
      });
      if (module.release !== release) throw new Error(`its module ${file} is for the kernel ${module.release || '(none named)'} and not for ${release}`);
      for (const needed of module.depends) await visit(needed, [...by, name]);
      loaded.set(name, { name, bytes: module.bytes });
    };
    for (const name of NEEDED_MODULES) await visit(name, []);
    return [...loaded.values()];
  }
}

function moduleFiles(folder: string): [string, string][] {
  if (!existsSync(folder)) return [];
  // Links (`build`, `source`) are not followed.
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.flatMap(({ name, parentPath }) => {
    const stem = MODULE_FILE.exec(name)?.[1];
    return stem === undefined ? [] : [[moduleName(stem), join(parentPath, name)] as [string, string]];
  });
}

function builtInModules(folder: string): string[] {
  const file = join(folder, 'modules.builtin');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').split('\n').flatMap((line) => MODULE_FILE.exec(basename(line.trim()))?.slice(1, 2).map(moduleName) ?? []);
}
