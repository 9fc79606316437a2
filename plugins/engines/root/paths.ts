/** Paths as text and as byte strings, and how one lies in another. */
import { relative, isAbsolute } from 'node:path';
import type { BytePath } from './plan.ts';

export function bytes(path: string): BytePath {
  return Buffer.from(path, 'utf8').toString('latin1');
}

/** A buffer that names the very file, for calls of node:fs. */
export function named(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1');
}

/** The way from `folder` down to `path`: '' where they are the same, null where it does not lie below. Both absolute and normal. */
export function below(folder: string, path: string): string | null {
  const way = relative(folder, path);
  return way === '..' || way.startsWith('../') || isAbsolute(way) ? null : way;
}
