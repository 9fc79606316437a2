/**
 * The stage: a tmpfs in the helper's own mount namespace where a guest's root is put together. It vanishes with the
 * namespace, so that nothing is left behind however the helper ends. It is mounted over /sys, which neither the
 * helper nor a guest needs.
 */
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MS_BIND, MS_REC } from '../libc.ts';
import type { LibC } from '../libc.ts';
import { NO_LIMITS } from '../engine.ts';
import { fileSpaceOf, type FileSpace } from '../limits/file-space.ts';
import type { Content, LayerFile, RootfsPlan } from './plan.ts';

const MOUNT_POINT = '/sys';

export interface Layered {
  /** Where on the stage the folder is seen. */
  readonly path: string;
  /**
   * True where sockets and FIFOs of the folder are out of reach by construction: an overlay has inodes of its own, and
   * the kernel finds a bound socket and the ends of a FIFO by inode. True also of those made later.
   */
  readonly sealed: boolean;
}

export class Stage {
  readonly #libc: LibC;
  readonly #overlays: boolean;
  readonly #limits: FileSpace;
  /** The tmpfs of all that the guest may write to; null until it is wanted. */
  #space: string | null = null;
  #count = 0;
  /** An empty folder, an empty file, and an empty file that nobody may open. */
  readonly emptyFolder = join(MOUNT_POINT, 'empty-folder');
  readonly emptyFile = join(MOUNT_POINT, 'empty-file');
  readonly closedFile = join(MOUNT_POINT, 'closed-file');

  /** @param limits of what the guest writes to folders of the stage. */
  constructor(libc: LibC, overlays: boolean, limits: FileSpace = fileSpaceOf(NO_LIMITS)) {
    this.#libc = libc;
    this.#overlays = overlays;
    this.#limits = limits;
    libc.mount('tmpfs', MOUNT_POINT, 'tmpfs', 0, 'mode=0700');
    mkdirSync(this.emptyFolder, { mode: 0o555 });
    writeFileSync(this.emptyFile, '', { mode: 0o444 });
    writeFileSync(this.closedFile, '', { mode: 0 });
  }

  /** A new folder on the stage. */
  folder(): string {
    const path = join(MOUNT_POINT, `${this.#count++}`);
    mkdirSync(path, { mode: 0o755 });
    return path;
  }

  /** A new folder that the guest may write to. All of them share one space, and end with the guest. */
  fresh(mode: number): string {
    if (this.#space === null) {
      const { bytes, files } = this.#limits;
      this.#space = this.folder();
      this.#libc.mount('tmpfs', this.#space, 'tmpfs', 0, `mode=0755,size=${bytes},nr_inodes=${files}`);
    }
    const path = join(this.#space, `${this.#count++}`);
    mkdirSync(path);
    chmodSync(path, mode);
    return path;
  }

  /** A file on the stage, for a process that is handed its descriptor. */
  file(content: string | Buffer): string {
    const path = join(MOUNT_POINT, `${this.#count++}`);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  /**
   * A folder of the host as a read-only overlay, with files of ours over it. Where the kernel refuses an overlay (before
   * Linux 5.11, or with other mounts below the folder) the folder is bound; a `small` one with files of ours is copied.
   */
  layered(lower: string, files: readonly LayerFile[] = [], { at = this.folder(), small = false } = {}): Layered {
    // By a bind of its own, for an overlay's options give ':' and ',' in a path a meaning.
    const source = this.folder();
    const own = files.length > 0 ? this.#own(lower, files) : null;
    try {
      if (!this.#overlays) throw new Error('left out');
      this.#libc.mount(lower, source, null, MS_BIND, null);
      this.#libc.mount('overlay', at, 'overlay', 0, `lowerdir=${own === null ? `${source}:${this.emptyFolder}` : `${own}:${source}`}`);
      return { path: at, sealed: true };
    } catch {
      if (own !== null && small) {
        cpSync(lower, at, { recursive: true, verbatimSymlinks: true });
        cpSync(own, at, { recursive: true, verbatimSymlinks: true, force: true });
      } else {
        this.bind(lower, at);
        for (const { path } of files) if (own !== null && existsSync(join(at, path))) this.bind(join(own, path), join(at, path));
      }
      return { path: at, sealed: false };
    }
  }

  /** A folder of the host as a guest's root, which is an overlay or nothing: its own files must not change. */
  rooted({ folder, files, writable }: RootfsPlan): string {
    const [at, source] = [this.folder(), this.folder()];
    const own = this.#own(folder, files);
    likeBelow(own, folder);
    try {
      if (!this.#overlays) throw new Error('left out');
      this.#libc.mount(folder, source, null, MS_BIND, null);
      this.#libc.mount('overlay', at, 'overlay', 0, `lowerdir=${own}:${source}${writable ? this.#upper(own) : ''}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`no overlay can be made of the root ${folder}, with Linux 5.11 or later and no file system mounted below it (${reason})`);
    }
    return at;
  }

  /** Options that make an overlay writable. */
  #upper(own: string): string {
    const space = this.fresh(0o700);
    for (const name of ['upper', 'work']) mkdirSync(join(space, name));
    chmodSync(join(space, 'upper'), statSync(own).mode & 0o1777);
    return `,upperdir=${space}/upper,workdir=${space}/work,userxattr`;
  }

  bind(source: string, at: string): void {
    this.#libc.mount(source, at, null, MS_BIND | MS_REC, null);
  }

  /** The topmost layer lends the overlay's root its mode. */
  #own(lower: string, files: readonly LayerFile[]): string {
    const own = this.folder();
    chmodSync(own, statSync(lower).mode & 0o1777);
    for (const file of files) write(join(own, file.path), file.content);
    return own;
  }
}

/** Gives folders of ours the modes of those that they lie over; their owner, whom the guest's user is, may always enter. */
function likeBelow(own: string, lower: string): void {
  for (const { name } of readdirSync(own, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    const mode = folderMode(join(lower, name));
    if (mode === null) continue;
    chmodSync(join(own, name), (mode & 0o1777) | 0o700);
    likeBelow(join(own, name), join(lower, name));
  }
}

/** null where there is no folder, or where another user's closed one is above. */
function folderMode(path: string): number | null {
  try {
    const found = lstatSync(path);
    return found.isDirectory() ? found.mode : null;
  } catch {
    return null;
  }
}

/** Makes a file, link or folder, with the folders above it; readable by all. */
export function write(path: string, content: Content): void {
  mkdirSync(content === 'folder' ? path : dirname(path), { recursive: true, mode: 0o755 });
  if (content === 'folder') return;
  if ('link' in content) symlinkSync(content.link, path);
  else writeFileSync(path, 'text' in content ? content.text : Buffer.from(content.base64, 'base64'), { mode: 0o644 });
}
