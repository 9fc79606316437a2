/**
 * Lays an image's layers into a folder, one after the other. An archive may name anything; what it names is reached
 * within the folder alone, through links as a process with that root would follow them.
 */
import { chmodSync, closeSync, constants, fchmodSync, futimesSync, linkSync, lutimesSync, mkdirSync, openSync, readdirSync, rmdirSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { named } from '../root/paths.ts';
import type { BytePath } from '../root/plan.ts';
import { readTar } from './archive.ts';
import type { TarEntry, TarHeader } from './archive.ts';
import { RootTree, partsOf } from './tree.ts';

export interface UnpackLimits {
  readonly entries: number;
  /** Of all layers, unpacked, as tars. */
  readonly bytes: number;
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** Other names that begin so are notes of aufs to itself. */
const AUFS = '.wh..wh.';
/** Without setuid, setgid and sticky bits, which would be the user's on the host. The owner, whom the guest's root is, may always read and write. */
const FILE_MODE = { keep: 0o777, add: 0o600 } as const;
const FOLDER_MODE = { keep: 0o1777, add: 0o700 } as const;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export class LayeredFolder {
  readonly #tree: RootTree;
  readonly #limits: UnpackLimits;
  /** Folders by the paths that lead to them. */
  #folders = new Map<BytePath, BytePath>();
  /** Times of folders, to be set when nothing is laid in them any more. */
  readonly #times = new Map<BytePath, number>();
  #entries = 0;

  constructor(folder: string, limits: UnpackLimits) {
    this.#tree = new RootTree(folder);
    this.#limits = limits;
  }

  /** `content`: the layer's tar, unpacked. Throws an `Error` that says at which entry. */
  async lay(content: AsyncIterable<Buffer>): Promise<void> {
    const laid = new Set<BytePath>();
    let last = 'its start';
    try {
      for await (const entry of readTar(content)) {
        last = `"${named(entry.header.name)}"`;
        if (++this.#entries > this.#limits.entries) throw new Error(`the image has more than ${this.#limits.entries} files`);
        await this.#enter(entry, laid);
      }
    } catch (error) {
      throw new Error(`at ${last}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  /** Sets the folders' times, the deepest first. */
  finish(): void {
    for (const [path, time] of [...this.#times].toSorted(([a], [b]) => b.length - a.length)) {
      if (this.#tree.stat(path)?.isDirectory()) lutimesSync(this.#tree.at(path), time, time);
    }
  }

  async #enter({ header, content }: TarEntry, laid: Set<BytePath>): Promise<void> {
    const parts = safeParts(header.name);
    const name = parts.pop();
    if (name === undefined) {
      if (header.type === 'directory') this.#setFolder('', header);
      return;
    }
    if (name.startsWith(WHITEOUT)) return this.#whiteOut(this.#tree.resolve(parts.join('/')), name, laid);
    const folder = this.#folder(parts, laid);
    const path = folder === '' ? name : `${folder}/${name}`;
    laid.add(path);
    if (header.type === 'directory') {
      if (!this.#tree.stat(path)?.isDirectory()) {
        this.#remove(path);
        mkdirSync(this.#tree.at(path), { mode: 0o700 });
      }
      return this.#setFolder(path, header);
    }
    await this.#put(path, header, content);
  }

  async #put(path: BytePath, header: TarHeader, content: AsyncIterable<Buffer>): Promise<void> {
    const at = this.#tree.at(path);
    if (header.sparse) throw new Error('it is a file with holes, which is not supported');
    switch (header.type) {
      case 'file':
      case 'contiguous-file':
        if (header.size > this.#limits.bytes) throw new Error(`it is said to have ${header.size} bytes, and an image may have ${this.#limits.bytes}`);
        this.#remove(path);
        return write(at, header, content);
      case 'link': {
        const parts = safeParts(header.link);
        const last = parts.pop();
        const target = [this.#tree.resolve(parts.join('/')), last ?? ''].filter(Boolean).join('/');
        const found = last === undefined ? undefined : this.#tree.stat(target);
        if (!found || found.isDirectory()) throw new Error(`it is a hard link to "${named(header.link)}", ${found ? 'a folder' : 'which is not there'}`);
        if (target === path) return;
        this.#remove(path);
        return linkSync(this.#tree.at(target), at);
      }
      case 'symlink':
        if (header.link === '' || header.link.includes('\0')) throw new Error('it is a link that leads to no path');
        this.#remove(path);
        symlinkSync(named(header.link), at);
        return lutimesSync(at, header.mtime, header.mtime);
      case 'character-device':
      case 'block-device':
      case 'fifo':
        return this.#remove(path); // a guest has devices of its own, and a program makes its FIFOs
      default:
        throw new Error('it is of a kind that images do not have');
    }
  }

  /** Follows links; makes what is missing. */
  #folder(parts: readonly string[], laid: Set<BytePath>): BytePath {
    const asked = parts.join('/');
    let path = this.#folders.get(asked);
    if (path === undefined) {
      path = this.#tree.resolve(asked);
      const way = partsOf(path);
      for (let depth = 1; depth <= way.length; depth++) {
        const at = way.slice(0, depth).join('/');
        const found = this.#tree.stat(at);
        if (!found) mkdirSync(this.#tree.at(at), { mode: 0o755 });
        else if (!found.isDirectory()) throw new Error(`"/${named(at)}" is no folder`);
      }
      this.#folders.set(asked, path);
    }
    for (let at = path; at !== '' && !laid.has(at); at = at.slice(0, Math.max(at.lastIndexOf('/'), 0))) laid.add(at);
    return path;
  }

  #setFolder(path: BytePath, { mode, mtime }: TarHeader): void {
    chmodSync(this.#tree.at(path), (mode & FOLDER_MODE.keep) | FOLDER_MODE.add);
    this.#times.set(path, mtime);
  }

  /** Takes away what layers below have laid: one name, or all that is in the folder. */
  #whiteOut(folder: BytePath, name: string, laid: ReadonlySet<BytePath>): void {
    if (name === OPAQUE) return this.#clear(folder, laid);
    if (name.startsWith(AUFS)) return;
    const gone = name.slice(WHITEOUT.length);
    if (gone === '' || gone === '.' || gone === '..') throw new Error('it takes away no name');
    const path = folder === '' ? gone : `${folder}/${gone}`;
    if (laid.has(path)) this.#clear(path, laid);
    else this.#remove(path);
  }

  #clear(folder: BytePath, laid: ReadonlySet<BytePath>): void {
    if (!this.#tree.stat(folder)?.isDirectory()) return;
    for (const name of readdirSync(this.#tree.at(folder), 'latin1')) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (laid.has(path)) this.#clear(path, laid);
      else this.#remove(path);
    }
  }

  /** Links are removed, not followed. */
  #remove(path: BytePath): void {
    const found = this.#tree.stat(path);
    if (!found) return;
    this.#folders.clear();
    if (!found.isDirectory()) return unlinkSync(this.#tree.at(path));
    for (const name of readdirSync(this.#tree.at(path), 'latin1')) this.#remove(`${path}/${name}`);
    rmdirSync(this.#tree.at(path));
  }
}

function safeParts(name: BytePath): string[] {
  const parts = partsOf(name);
  if (parts.includes('..')) throw new Error('its path has a ".."');
  if (name.includes('\0')) throw new Error('its path has a NUL character');
  return parts;
}

async function write(at: Buffer, { mode, mtime }: TarHeader, content: AsyncIterable<Buffer>): Promise<void> {
  const fd = openSync(at, CREATE, 0o600);
  try {
    for await (const chunk of content) {
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
    }
    fchmodSync(fd, (mode & FILE_MODE.keep) | FILE_MODE.add);
    futimesSync(fd, mtime, mtime);
  } finally {
    closeSync(fd);
  }
}
