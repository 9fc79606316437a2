/** Everything that a process which holds guests has made: processes, namespaces, control groups, files. All to be gone after it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { descendants, namespacesOf, found, processes, straysIn } from '../stage/process-tree.ts';
import type { ProcessEntry } from '../stage/process-tree.ts';
import { until } from './job.ts';

const GONE_WITHIN_MS = 5000;
const CONTROL_GROUPS = '/sys/fs/cgroup';

/** As folders, for every hierarchy that is mounted. */
function controlGroupsOf(pid: number): string[] {
  return found(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')).flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const roots = [CONTROL_GROUPS, join(CONTROL_GROUPS, 'unified'), ...controllers.replace('name=', '').split(',').map((name) => join(CONTROL_GROUPS, name)), join(CONTROL_GROUPS, controllers)];
    return roots.map((root) => join(root, path)).filter((folder) => existsSync(join(folder, 'cgroup.procs')));
  });
}

/** Names of Unix sockets: where they lie, or what they are called where they are abstract. */
function socketNames(pid: number): string[] {
  const inodes = new Set(found(() => readdirSync(`/proc/${pid}/fd`)).flatMap((fd) => found(() => [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''])));
  const lines = found(() => readFileSync(`/proc/${pid}/net/unix`, 'utf8').split('\n'));
  return lines.map((line) => line.split(/\s+/)).filter((fields) => inodes.has(fields[6] ?? '') && fields[7]).map((fields) => fields[7]!);
}

export class Traces {
  readonly processes: readonly ProcessEntry[];
  readonly #host: number;
  readonly #namespaces: ReadonlySet<string>;
  readonly #groups: readonly string[];
  readonly #sockets: readonly string[];
  readonly #folders: ReadonlyMap<string, string>;

  /** What `host` has made by now. `folders`: where it may keep files while it runs, as they are without it. */
  constructor(host: number, folders: ReadonlyMap<string, string>) {
    this.#host = host;
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
    const strays = (): ProcessEntry[] => straysIn(this.#namespaces, this.#host);
    await until('the namespaces are gone', () => strays().length === 0, GONE_WITHIN_MS).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(strays())}`));
    await until('the control groups are gone', () => !this.#groups.some((folder) => existsSync(folder)), GONE_WITHIN_MS);
    assert.deepEqual(this.#sockets.filter((path) => existsSync(path)), [], 'sockets');
    assert.deepEqual(Traces.listing(...this.#folders.keys()), this.#folders, 'files');
  }
}
