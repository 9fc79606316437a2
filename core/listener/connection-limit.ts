/** How many connections of clients are held at once: each takes two descriptors, its own and the upstream's, and some memory. */
import { readFileSync } from 'node:fs';

/** A guest that closes nothing costs some hundred MiB then. */
const MOST = 16_384;
/** Descriptors for all else: files of the record and of bodies, threads, listeners. */
const RESERVED = 1000;
/** Where the system does not tell its limit. */
const USUAL_DESCRIPTORS = 1024;

export function connectionLimit(descriptors = descriptorLimit()): number {
  const reserved = Math.min(RESERVED, Math.floor(descriptors / 4));
  return Math.min(MOST, Math.floor((descriptors - reserved) / 2));
}

function descriptorLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? MOST * 4 : Number(soft); // "unlimited"
  } catch {
    return USUAL_DESCRIPTORS;
  }
}
