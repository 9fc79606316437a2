/**
 * A folder seen as a root of its own. Every link in it leads where it would lead a process with that root, so never out
 * of it: `/etc` in a link is the root's own /etc, and `..` ends at the root.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { MentuError } from '../../../core/index.ts';
import { bytes, named } from '../root/paths.ts';
import type { BytePath } from '../root/plan.ts';

/** As many as the kernel follows. */
const MAX_LINKS = 40;
/** Opens a name without what it names: neither a FIFO nor a device notices. The same number on x86_64 and aarch64. */
const O_PATH = 0o10000000;

export class RootTree {
  readonly folder: string;
  readonly #root: BytePath;

  constructor(folder: string) {
    this.folder = folder;
    this.#root = bytes(folder).replace(/\/$/, '');
  }

  /**
   * The path, below the root and without '/' at its start, that a path of the guest leads to. What is not there is
   * taken for a folder that will be. `last`: whether a link at the path's very end is followed.
   */
  resolve(path: BytePath, { last = true } = {}): BytePath {
    const pending = partsOf(path);
    const done: string[] = [];
    for (let links = 0; pending.length > 0; ) {
      const name = pending.shift()!;
      if (name === '..') done.pop();
      else {
        done.push(name);
        const target = last || pending.length > 0 ? this.#linkAt(done.join('/')) : null;
        if (target === null) continue;
        if (++links > MAX_LINKS) throw new MentuError('engine_rootfs_refused', { path: this.folder, reason: `its links lead in a circle from /${named(partsOf(path).join('/'))}` });
        if (target.startsWith('/')) done.length = 0;
        else done.pop();
        pending.unshift(...partsOf(target));
      }
    }
    return done.join('/');
  }

  /** What lies at a resolved path; undefined where nothing does. */
  stat(path: BytePath): Stats | undefined {
    try {
      return lstatSync(this.at(path), { throwIfNoEntry: false });
    } catch {
      return undefined; // below what is no folder, or out of reach
    }
  }

  exists(path: string): boolean {
    return this.stat(this.resolve(bytes(path))) !== undefined;
  }

  list(path: string): string[] {
    try {
      return readdirSync(this.at(this.resolve(bytes(path))));
    } catch {
      return [];
    }
  }

  /**
   * The content of a regular file; null where there is none, or none that can be read within the limit. Should the
   * folder change meanwhile, a link that was not there before is not followed.
   */
  read(path: string, limit: number): Buffer | null {
    let fd = openSync(named(this.#root === '' ? '/' : this.#root), O_PATH | constants.O_DIRECTORY);
    const step = (at: string | Buffer, flags: number): void => {
      const next = openSync(at, flags);
      closeSync(fd);
      fd = next;
    };
    try {
      for (const name of partsOf(this.resolve(bytes(path)))) step(named(`/proc/self/fd/${fd}/${name}`), O_PATH | constants.O_NOFOLLOW);
      const found = fstatSync(fd);
      if (!found.isFile() || found.size > limit) return null;
      step(`/proc/self/fd/${fd}`, constants.O_RDONLY);
      return readFileSync(fd);
    } catch {
      return null;
    } finally {
      closeSync(fd);
    }
  }

  /** The host's name of a resolved path. */
  at(path: BytePath): Buffer {
    return named(`${this.#root}/${path}`);
  }

  #linkAt(path: BytePath): BytePath | null {
    try {
      return readlinkSync(this.at(path), 'latin1');
    } catch {
      return null;
    }
  }
}

/** The host's own root. */
export const HOST_TREE = new RootTree('/');

/** Names of a path, from the top. */
export function partsOf(path: BytePath): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
