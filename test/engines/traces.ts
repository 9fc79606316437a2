/** Everything that a process which holds guests has made: processes, namespaces, control groups, files. All to be gone after it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './job.ts';

const GONE_WITHIN_MS = 5000;
const NAMESPACES = ['user', 'net', 'mnt', 'pid', 'ipc', 'uts', 'cgroup'];
const CONTROL_GROUPS = '/sys/fs/cgroup';

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

/** What `read` finds of a process; nothing where it is gone. */
function of<Found>(read: () => Found[]): Found[] {
  try {
    return read();
  } catch {
    return [];
  }
}

/** All processes that have not ended, but for those that wait to be reaped. */
function processes(): ProcessEntry[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => of(() => {
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

function namespacesOf(pid: number): string[] {
  return NAMESPACES.flatMap((kind) => of(() => [readlinkSync(`/proc/${pid}/ns/${kind}`)]));
}

/** As folders, for every hierarchy that is mounted. */
function controlGroupsOf(pid: number): string[] {
  return of(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')).flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const roots = [CONTROL_GROUPS, join(CONTROL_GROUPS, 'unified'), ...controllers.replace('name=', '').split(',').map((name) => join(CONTROL_GROUPS, name)), join(CONTROL_GROUPS, controllers)];
    return roots.map((root) => join(root, path)).filter((folder) => existsSync(join(folder, 'cgroup.procs')));
  });
}

/** Names of Unix sockets: where they lie, or what they are called where they are abstract. */
function socketNames(pid: number): string[] {
  const inodes = new Set(of(() => readdirSync(`/proc/${pid}/fd`)).flatMap((fd) => of(() => [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''])));
  const lines = of(() => readFileSync(`/proc/${pid}/net/unix`, 'utf8').split('\n'));
  return lines.map((line) => line.split(/\s+/)).filter((fields) => inodes.has(fields[6] ?? '') && fields[7]).map((fields) => fields[7]!);
}

export class Traces {
  readonly processes: readonly ProcessEntry[];
  readonly #namespaces: ReadonlySet<string>;
  readonly #groups: readonly string[];
  readonly #sockets: readonly string[];
  readonly #folders: ReadonlyMap<string, string>;

  /** What `host` has made by now. `folders`: where it may keep files while it runs, as they are without it. */
  constructor(host: number, folders: ReadonlyMap<string, string>) {
    this.processes = descendants(host);
    const without = <Value>(values: readonly Value[], own: readonly Value[]): Value[] => values.filter((value) => !own.includes(value));
    this.#namespaces = new Set(without(this.processes.flatMap(({ pid }) => namespacesOf(pid)), namespacesOf(process.pid)));
    this.#groups = [...new Set(without(this.processes.flatMap(({ pid }) => controlGroupsOf(pid)), controlGroupsOf(process.pid)))];
    this.#sockets = this.processes.flatMap(({ pid }) => socketNames(pid)).filter((name) => name.startsWith('/'));
    this.#folders = folders;
    assert.ok(this.processes.length >= 4, `the helper, what is around the guest, and the guest, not ${this.processes.map(({ name }) => name).join(', ')}`);
    assert.ok(this.#namespaces.size >= 6, 'namespaces of its own');
  }

  static listing(...folders: string[]): Map<string, string> {
    return new Map(folders.map((folder) => [folder, readdirSync(folder, { recursive: true }).sort().join('\n')]));
  }

  /** The processes of a name, parents first. */
  named(name: string): ProcessEntry[] {
    const found = this.processes.filter((entry) => entry.name.startsWith(name));
    assert.ok(found.length > 0, `no ${name} among ${this.processes.map((entry) => entry.name).join(', ')}`);
    return found;
  }

  async gone(): Promise<void> {
    const left = (): ProcessEntry[] => processes().filter(({ pid, name }) => this.processes.some((entry) => entry.pid === pid && entry.name === name));
    await until('the processes are gone', () => left().length === 0, GONE_WITHIN_MS).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(left())}`));
    await until('the namespaces are gone', () => !processes().some(({ pid }) => namespacesOf(pid).some((id) => this.#namespaces.has(id))), GONE_WITHIN_MS);
    await until('the control groups are gone', () => !this.#groups.some((folder) => existsSync(folder)), GONE_WITHIN_MS);
    assert.deepEqual(this.#sockets.filter((path) => existsSync(path)), [], 'sockets');
    assert.deepEqual(Traces.listing(...this.#folders.keys()), this.#folders, 'files');
  }
}
