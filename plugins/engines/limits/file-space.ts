/** How much a guest may write to the folders that end with it. They lie in memory. */
import { totalmem } from 'node:os';
import type { GuestLimits } from '../engine.ts';

const MIB = 1024 ** 2;
const PAGE = 4096;
const MIN_FILES = 1024;

export interface FileSpace {
  readonly bytes: number;
  /** Files, folders and links; each takes memory beside its content. */
  readonly files: number;
}

/** Half of the guest's memory; without a limit of it, a quarter of this machine's. */
export function fileSpaceOf({ memoryMiB }: GuestLimits): FileSpace {
  const bytes = memoryMiB === null ? Math.floor(totalmem() / 4) : (memoryMiB * MIB) / 2;
  return { bytes, files: Math.max(MIN_FILES, Math.floor(bytes / PAGE)) };
}
