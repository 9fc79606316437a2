import { closeSync, constants, fchmodSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { MentuError } from '../errors.ts';

/** The names of files that are not whole yet begin so. */
export const PARTIAL = '.partial-';

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
