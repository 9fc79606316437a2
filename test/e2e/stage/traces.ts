/** Everything that a job made on the host: its processes, their namespaces with all mounts in them, their control groups. All to be gone after it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { findPlaces } from '../../../plugins/engines/limits/hierarchies.ts';
import { until } from './workspace.ts';

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

const KINDS = ['user', 'net', 'mnt', 'pid', 'ipc', 'uts', 'cgroup'];

function processes(): ProcessEntry[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const [, comm = '', state = '', parent = ''] = /^\d+ \((.*)\) (\S) (\d+) /s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      return state === 'Z' ? [] : [{ pid: Number(name), parent: Number(parent), name: comm }];
    } catch {
      return [];
    }
  });
}

/**
 * Those whose parents are among them, up to one that nobody waits for. A namespace's number is given again once it is free,
 * and the processes of another job have that job's runtime above them.
 */
function orphans(entries: readonly ProcessEntry[]): ProcessEntry[] {
  const parentOf = new Map(entries.map(({ pid, parent }) => [pid, parent]));
  return entries.filter(({ pid }) => {
    let top = pid;
    for (let parent = parentOf.get(top); parent !== undefined; parent = parentOf.get(top)) top = parent;
    return top === 1 || top === process.pid;
  });
}

function namespacesOf(pid: number): string[] {
  return KINDS.flatMap((kind) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${kind}`)];
    } catch {
      return [];
    }
  });
}

/** Folders of the control groups that `mentu-runtime`, the process `pid`, has made. */
function groupsOf(pid: number): string[] {
  const parents = findPlaces(['memory', 'pids', 'cpu']).map(({ parent }) => parent);
  return parents.flatMap((parent) => readdirSync(parent).filter((name) => new RegExp(`^mentu-\\d+-${pid}-`).test(name)).map((name) => join(parent, name)));
}

/** All processes below `pid`, at any depth. */
export function descendants(pid: number): ProcessEntry[] {
  const all = processes();
  const below = (parent: number): ProcessEntry[] => all.filter((entry) => entry.parent === parent).flatMap((entry) => [entry, ...below(entry.pid)]);
  return below(pid);
}

/** Empty where the process is gone. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

export function isRunning(pid: number): boolean {
  return processes().some((entry) => entry.pid === pid);
}

export class Traces {
  readonly processes: readonly ProcessEntry[];
  readonly #namespaces: ReadonlySet<string>;
  readonly #groups: readonly string[];

  /** What a running `mentu-runtime` has made. */
  constructor(pid: number) {
    this.processes = descendants(pid);
    const own = new Set(namespacesOf(process.pid));
    this.#namespaces = new Set(this.processes.flatMap((entry) => namespacesOf(entry.pid)).filter((id) => !own.has(id)));
    this.#groups = groupsOf(pid);
    assert.ok(this.processes.length >= 4, `helper, bubblewrap, its init and the command, not ${this.processes.map(({ name }) => name).join(', ')}`);
    assert.ok(this.#namespaces.size >= 6, 'the guest has namespaces of its own');
  }

  named(name: string): number {
    const found = this.processes.find((entry) => entry.name.startsWith(name));
    assert.ok(found, `no ${name} among ${this.processes.map((entry) => entry.name).join(', ')}`);
    return found.pid;
  }

  /** Waits, 5 s at most, until nothing is left. */
  async gone(): Promise<void> {
    await until('the processes are gone', () => !processes().some(({ pid, name }) => this.processes.some((entry) => entry.pid === pid && entry.name === name)), 5000);
    const within = (): ProcessEntry[] => orphans(processes().filter(({ pid }) => namespacesOf(pid).some((id) => this.#namespaces.has(id))));
    await until('the namespaces are gone', () => within().length === 0, 5000).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(within())}`));
    await until('the control groups are gone', () => !this.#groups.some((group) => existsSync(group)), 5000);
  }
}
