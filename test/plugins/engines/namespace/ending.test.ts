import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NamespaceEngine } from '../../../../plugins/engines/namespace/engine.ts';
import type { GuestExit } from '../../../../plugins/engines/engine.ts';
import { bounded, consume, runJob, specOf } from './job.ts';

const HOST = join(import.meta.dirname, 'host.ts');
const GONE_WITHIN_MS = 5000;

interface Process {
  readonly pid: number;
  readonly name: string;
}

/** All processes below `pid`, at any depth. */
function descendants(pid: number): Process[] {
  const parents = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const [, comm = '', rest = ''] = /^\d+ \((.*)\) \S (.*)$/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      return [{ pid: Number(name), name: comm, parent: Number(rest.split(' ')[0]) }];
    } catch {
      return [];
    }
  });
  const below = (parent: number): Process[] => parents.filter((entry) => entry.parent === parent).flatMap((entry) => [entry, ...below(entry.pid)]);
  return below(pid);
}

function namespacesOf(pid: number): string[] {
  return ['user', 'net', 'mnt', 'pid', 'ipc'].map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));
}

function namespacesInUse(): Set<string> {
  return new Set(readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      return namespacesOf(Number(name));
    } catch {
      return [];
    }
  }));
}

function exists(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const start = Date.now(); !condition(); await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (Date.now() - start > GONE_WITHIN_MS) assert.fail(`not within ${GONE_WITHIN_MS} ms: ${what}`);
  }
}

/** Everything that a job made: to be gone after it. */
class Traces {
  readonly processes: readonly Process[];
  readonly #namespaces: readonly string[];
  /** The host's folder for temporary files. */
  readonly #temporary: string;

  constructor(host: number, temporary: string) {
    this.processes = descendants(host);
    const own = new Set(namespacesOf(process.pid));
    this.#namespaces = this.processes.flatMap(({ pid }) => namespacesOf(pid)).filter((id) => !own.has(id));
    this.#temporary = temporary;
  }

  named(name: string): number {
    const found = this.processes.find((entry) => entry.name.startsWith(name));
    assert.ok(found, `no ${name} among ${this.processes.map((entry) => entry.name).join(', ')}`);
    return found.pid;
  }

  async gone(): Promise<void> {
    assert.ok(this.processes.length >= 4, 'helper, bubblewrap, its init and the command');
    await until('processes', () => !this.processes.some(({ pid }) => exists(pid)));
    await until('namespaces', () => {
      const used = namespacesInUse();
      return !this.#namespaces.some((id) => used.has(id));
    });
    assert.deepEqual(readdirSync(this.#temporary), []);
  }
}

async function withHost(use: (host: ChildProcess, traces: Traces, exited: Promise<GuestExit>) => Promise<void>): Promise<void> {
  const temporary = mkdtempSync(join(tmpdir(), 'ending-test-'));
  const spec = { command: 'bash', args: ['-c', 'sleep 61 & setsid sleep 62 & trap "" TERM INT HUP; wait; sleep 63'] };
  const host = spawn(process.execPath, ['--no-warnings', HOST, JSON.stringify(spec)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, TMPDIR: temporary },
  });
  try {
    const exited = new Promise<GuestExit>((resolve) => host.on('message', (message: { exited?: GuestExit }) => message.exited && resolve(message.exited)));
    await bounded(once(host, 'message'));
    await until('the command\'s children', () => descendants(host.pid!).filter(({ name }) => name === 'sleep').length === 2);
    await use(host, new Traces(host.pid!, temporary), exited);
  } finally {
    host.kill('SIGKILL');
    rmSync(temporary, { recursive: true });
  }
}

test('kill -9 of the host process leaves nothing', async () => {
  await withHost(async (host, traces) => {
    host.kill('SIGKILL');
    await traces.gone();
  });
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} to a host process that does not handle it leaves nothing`, async () => {
    await withHost(async (host, traces) => {
      host.kill(signal);
      await traces.gone();
    });
  });
}

test('kill -9 of the helper ends the guest, as a failure of the engine', async () => {
  await withHost(async (host, traces, exited) => {
    process.kill(descendants(host.pid!)[0]!.pid, 'SIGKILL');
    const { code, failure } = await bounded(exited);
    assert.equal(code, 125);
    assert.ok(failure);
    await traces.gone();
  });
});

test('kill -9 of bubblewrap ends the guest, as a failure of the engine', async () => {
  await withHost(async (host, traces, exited) => {
    process.kill(traces.named('bwrap'), 'SIGKILL');
    assert.equal((await bounded(exited)).code, 125);
    host.send('close');
    await traces.gone();
  });
});

test('close ends a guest that ignores signals, and all it has started', async () => {
  await withHost(async (host, traces, exited) => {
    host.send('close');
    assert.deepEqual(await bounded(exited), { code: 137, signal: 'SIGKILL' });
    await traces.gone();
  });
});

test('the end of the command ends what it left running', async () => {
  const { exit, stdout } = await runJob({ command: 'bash', args: ['-c', 'setsid sleep 64 & echo started; exit 3'] });
  assert.deepEqual([exit.code, stdout], [3, 'started\n']);
  await until('the sleeper', () => !descendants(process.pid).some(({ name }) => name === 'sleep'));
});

test('a guest that never runs can be closed, twice', async () => {
  const guest = await new NamespaceEngine().prepare(specOf({}));
  consume(guest);
  const traces = descendants(process.pid);
  assert.ok(traces.some(({ name }) => name === 'bwrap'));
  await bounded(Promise.all([guest.close(), guest.close()]));
  await guest.close();
  await until('processes', () => !traces.some(({ pid }) => exists(pid)));
  assert.equal((await guest.exited).code, 137);
});
