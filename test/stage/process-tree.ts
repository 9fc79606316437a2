/** The processes of the machine, as the kernel lists them: who is whose child, and in which namespaces. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

const NAMESPACES = ['user', 'net', 'mnt', 'pid', 'ipc', 'uts', 'cgroup'];

/** What `read` finds of a process; nothing where it is gone. */
export function found<Found>(read: () => Found[]): Found[] {
  try {
    return read();
  } catch {
    return [];
  }
}

/** All processes that have not ended, but for those that wait to be reaped. */
export function processes(): ProcessEntry[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => found(() => {
    const [, comm = '', state = '', parent = ''] = /^\d+ \((.*)\) (\S) (\d+) /s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
    return state === 'Z' ? [] : [{ pid: Number(name), parent: Number(parent), name: comm }];
  }));
}

/** All processes below `pid`, at any depth; parents come first. */
export function descendants(pid: number): ProcessEntry[] {
  const all = processes();
  const below = (parent: number): ProcessEntry[] => all.filter((entry) => entry.parent === parent).flatMap((entry) => [entry, ...below(entry.pid)]);
  return below(pid);
}

export function namespacesOf(pid: number): string[] {
  return NAMESPACES.flatMap((kind) => found(() => [readlinkSync(`/proc/${pid}/ns/${kind}`)]));
}

/**
 * The processes in one of the namespaces that `holder` is above, or nobody who runs tests. A namespace's number is given again
 * once it is free, and the processes of another test's job have the runner of the tests above them.
 */
export function straysIn(namespaces: ReadonlySet<string>, holder: number): ProcessEntry[] {
  const all = processes();
  const parentOf = new Map(all.map(({ pid, parent }) => [pid, parent]));
  return all.filter(({ pid }) => {
    if (!namespacesOf(pid).some((id) => namespaces.has(id))) return false;
    for (let above = parentOf.get(pid); above !== undefined && above !== holder; above = parentOf.get(above)) if (above === process.ppid) return false;
    return true;
  });
}
