import { closeSync, constants, fchmodSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { MentuError } from '../errors.ts';

/** The names of files that are not whole yet begin so. */
export const PARTIAL = '.partial-';
const READ_CHUNK = 64 * 1024;

/** Makes the folder with mode 0700, or takes the one that is there if it is one itself, and removes what a killed capture left half-written. */
export function prepareBodyFolder(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  let fd: number;
  try {
    fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw new MentuError('bodies_unsafe', { path: directory }, { cause });
  }
  fchmodSync(fd, 0o700);
  closeSync(fd);
  for (const name of readdirSync(directory)) if (name.startsWith(PARTIAL)) unlinkSync(join(directory, name));
}

/** The bytes of a file, a chunk at a time. No symbolic link is followed. */
export async function* readBody(path: string): AsyncGenerator<Buffer, void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_CHUNK), 0, READ_CHUNK, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
