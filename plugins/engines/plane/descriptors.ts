/** The descriptors that a guest is handed as its stdin, stdout and stderr. */
import { fstatSync } from 'node:fs';
import { MentuError } from '../../../core/index.ts';

/** A folder as a descriptor would be a way out of the guest's root. */
export function refuseFolders(stdio: readonly number[]): void {
  for (const fd of stdio) {
    let folder = false;
    try {
      folder = fstatSync(fd).isDirectory();
    } catch {
      // closed
    }
    if (folder) throw new MentuError('engine_stdio_refused', { fd });
  }
}
