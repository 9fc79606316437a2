/**
 * Names of control groups that say whose they are. Where the process that made a group and its helper were both killed,
 * the group stays behind, empty; the next job finds by the name that its owner is gone, and removes it.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const NAME = /^mentu-(\d+)-(\d+)-(\d+)-[0-9a-f]{8}$/;
/** More are left to the jobs after this one. */
const MAX_SWEPT = 100;

/** `mentu-<pid namespace>-<pid>-<start of that process>-<random>`. */
export function newGroupName(): string {
  return `mentu-${pidNamespace()}-${process.pid}-${startOf(process.pid)}-${randomBytes(4).toString('hex')}`;
}

/** Removes groups below `parent` whose owner has ended. The kernel refuses to remove one that has processes. */
export function sweepLeftovers(parent: string): void {
  const left = readdirSync(parent).flatMap((name) => {
    const [, namespace, pid, start] = NAME.exec(name) ?? [];
    return namespace === pidNamespace() && startOf(Number(pid)) !== start ? [name] : []; // another namespace's processes are not to be seen here
  });
  for (const name of left.slice(0, MAX_SWEPT)) {
    try {
      rmdirSync(join(parent, name));
    } catch {
      // It has processes, or another job was faster.
    }
  }
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
}

/** When a process started, in the kernel's ticks; null where there is none. A number that is used again has another start. */
function startOf(pid: number): string | null {
  try {
    const [, after = ''] = /^\d+ \(.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return after.split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
