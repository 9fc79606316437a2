/** Removes control groups whose guest is ending: the kernel refuses while a process is in them. */
import { rmdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** A guest's last processes are gone sooner. A group that is not is left to the sweep of a later job. */
const LIMIT_MS = 2000;

export async function removeGroups(folders: readonly string[]): Promise<void> {
  const until = performance.now() + LIMIT_MS;
  for (let left = folders.filter(isLeft); left.length > 0 && performance.now() < until; left = left.filter(isLeft)) await pause(5);
}

function isLeft(folder: string): boolean {
  try {
    rmdirSync(folder);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EBUSY';
  }
}
