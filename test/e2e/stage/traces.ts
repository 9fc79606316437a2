/** Everything that a job made on the host: its processes, their namespaces with all mounts in them, their control groups. All to be gone after it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findPlaces } from '../../../plugins/engines/limits/hierarchies.ts';
import { descendants, namespacesOf, processes, straysIn } from '../../stage/process-tree.ts';
import type { ProcessEntry } from '../../stage/process-tree.ts';
import { until } from './workspace.ts';

/** Folders of the control groups that `mentu-runtime`, the process `pid`, has made. */
function groupsOf(pid: number): string[] {
  const parents = findPlaces(['memory', 'pids', 'cpu']).map(({ parent }) => parent);
  return parents.flatMap((parent) => readdirSync(parent).filter((name) => new RegExp(`^mentu-\\d+-${pid}-`).test(name)).map((name) => join(parent, name)));
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
  readonly #runtime: number;
  readonly #namespaces: ReadonlySet<string>;
  readonly #groups: readonly string[];

  /** What a running `mentu-runtime` has made. */
  constructor(pid: number) {
    this.#runtime = pid;
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
    const strays = (): ProcessEntry[] => straysIn(this.#namespaces, this.#runtime);
    await until('the namespaces are gone', () => strays().length === 0, 5000).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(strays())}`));
    await until('the control groups are gone', () => !this.#groups.some((group) => existsSync(group)), 5000);
  }
}
