/**
 * Unpacked images, by their ids. A folder under its id is whole: it was made beside it and renamed. What a process that
 * was killed has left is removed by the next one that looks.
 */
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { MentuError } from '../../../core/index.ts';

const UNFINISHED = /^\.unpacking-([0-9a-f]+)-(\d+)-(\d+)-(\d+)-/;
/** Whether a process of another pid namespace lives cannot be seen. */
const FOREIGN_AGE_MS = 24 * 3600 * 1000;
/** For as long another job's unpacking of the same image is waited for. */
const WAIT_LIMIT_MS = 10 * 60 * 1000;
const WAIT_STEP_MS = 50;

export class ImageCache {
  readonly #folder: string;

  /** Throws `engine_rootfs_refused` where others could put an image of theirs in place of one. */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(folder);
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) throw new MentuError('engine_rootfs_refused', { path: folder, reason: 'images are unpacked there, and others may write to it' });
  }

  /** The folder of an image: as it is there, or laid by `lay` in an empty one. */
  async folderOf(id: string, lay: (folder: string) => Promise<void>): Promise<string> {
    const path = join(this.#folder, id);
    this.#sweep();
    const limit = Date.now() + WAIT_LIMIT_MS;
    while (!isThere(path) && this.#isBeingUnpacked(id) && Date.now() < limit) await pause(WAIT_STEP_MS);
    if (isThere(path)) return path;
    const unfinished = mkdtempSync(join(this.#folder, `.unpacking-${id}-${processName()}-`));
    try {
      await lay(unfinished);
      renameSync(unfinished, path);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      // Another job was faster.
      if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '') || !isThere(path)) throw error;
    }
    return path;
  }

  #sweep(): void {
    for (const name of readdirSync(this.#folder)) {
      if (name.startsWith('.unpacking-') && !isAlive(name, join(this.#folder, name))) rmSync(join(this.#folder, name), { recursive: true, force: true });
    }
  }

  #isBeingUnpacked(id: string): boolean {
    return readdirSync(this.#folder).some((name) => name.startsWith(`.unpacking-${id}-`) && isAlive(name, join(this.#folder, name)));
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The pid namespace, the pid in it, and when the process began: together, never those of another. */
function processName(): string {
  return `${pidNamespace()}-${process.pid}-${startOf(process.pid)}`;
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))![0];
}

/** In ticks since the machine's start; null where there is no such process. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive(name: string, path: string): boolean {
  const [, , namespace, pid, start] = UNFINISHED.exec(name) ?? [];
  if (namespace === pidNamespace()) return startOf(Number(pid)) === start;
  return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < FOREIGN_AGE_MS;
}
