/** Files that are kept privately, and written whole or not at all. */
import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MentuError } from '../../../../core/index.ts';

export const DRAFT_PREFIX = '.draft-';
/** No draft takes as long to write; one that is older was left behind. */
const DRAFT_AGE_MS = 60 * 60 * 1000;

export function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Makes a folder that only its owner may enter. Throws `kernel_store_unsafe` where it is another's: what lies in it is booted. */
export function makePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory()) throw new MentuError('kernel_store_unsafe', { folder, reason: 'it is no folder' });
  if (process.getuid && stat.uid !== process.getuid()) throw new MentuError('kernel_store_unsafe', { folder, reason: 'it belongs to another user' });
  if ((stat.mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

/** Under its name are the old bytes or the new ones, also where the machine stops in between. */
export function writeKept(file: string, data: Buffer | string, mode = 0o600): void {
  const draft = join(dirname(file), `${DRAFT_PREFIX}${randomUUID()}`);
  try {
    const fd = openSync(draft, 'wx', mode);
    try {
      const bytes = Buffer.from(data as string);
      for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** The parsed JSON of a kept file; null where there is none, or none that can be read. */
export function readKeptJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch {
    return null;
  }
}

/** Removes what interrupted writers left in a folder. */
export function removeOldDrafts(folder: string): void {
  for (const name of readdirSync(folder).filter((each) => each.startsWith(DRAFT_PREFIX))) {
    const stat = lstatSync(join(folder, name), { throwIfNoEntry: false });
    if (stat && Date.now() - stat.mtimeMs > DRAFT_AGE_MS) rmSync(join(folder, name), { recursive: true, force: true });
  }
}
