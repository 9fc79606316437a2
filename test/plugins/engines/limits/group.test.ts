/** Control groups by themselves, on whichever version the machine has; version2.heavy.test.ts runs this file on a machine with version 2. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GuestLimits } from '../../../../plugins/engines/engine.ts';
import { LimitGroup, MAX_PROCESSES } from '../../../../plugins/engines/limits/group.ts';
import { findPlaces, type Controller } from '../../../../plugins/engines/limits/hierarchies.ts';
import { GroupMembership } from '../../../../plugins/engines/limits/membership.ts';

const places = findPlaces(['memory', 'pids', 'cpu']);
const can = (controller: Controller): boolean => places.some(({ controllers }) => controllers.includes(controller));

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly outOfMemory: boolean;
  /** The processor's account, while the process was about to end. */
  readonly throttled: number;
}

/** Runs a script of Python in a group. It is moved in before it reads the script. */
async function inGroup(limits: Partial<GuestLimits>, script: string): Promise<Outcome> {
  const group = LimitGroup.open({ cpus: null, memoryMiB: null, ...limits });
  const membership = new GroupMembership(group.folders);
  const child = spawn('python3', ['-c', 'import sys; exec(sys.stdin.readline().replace("\\\\n", "\\n"))'], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    membership.add(child.pid!);
    let stdout = '';
    let throttled = 0;
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      const accounts = group.folders.map((folder) => join(folder, 'cpu.stat')).filter((file) => existsSync(file));
      throttled = Number(/^nr_throttled (\d+)$/m.exec(accounts.map((file) => readFileSync(file, 'utf8')).join('\n'))?.[1] ?? 0);
    });
    child.stdin.write(`${script.replaceAll('\n', '\\n')}\n`);
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { code, signal, stdout, throttled, outOfMemory: group.outOfMemory };
  } finally {
    child.kill('SIGKILL');
    await membership.close();
    assert.deepEqual(group.folders.filter((folder) => existsSync(folder)), [], 'the helper removes them');
    await group.close();
  }
}

test('what can be had is had, in one group for each hierarchy', async () => {
  const group = LimitGroup.open({ cpus: 1, memoryMiB: 64 });
  assert.deepEqual([group.folders.length, ...(['memory', 'pids', 'cpu'] as const).map((controller) => group.versionOf(controller) !== null)], [places.length, can('memory'), can('pids'), can('cpu')]);
  await group.close();
  await group.close();
  assert.deepEqual(group.folders.filter((folder) => existsSync(folder)), []);
});

test('memory', async () => {
  if (!can('memory')) return;
  const hog = 'held = bytearray(b"x") * (100 << 20)\nprint("held")';
  const { signal, outOfMemory } = await inGroup({ memoryMiB: 64 }, hog);
  assert.deepEqual([signal, outOfMemory], ['SIGKILL', true]);
  const control = await inGroup({}, hog);
  assert.deepEqual([control.code, control.stdout, control.outOfMemory], [0, 'held\n', false]);
});

test('processes', async () => {
  if (!can('pids')) return;
  const threads = `import threading\nthreading.stack_size(65536)\ngo = threading.Event()\ntry:\n    for n in range(1, ${MAX_PROCESSES + 100}):\n        threading.Thread(target=go.wait, daemon=True).start()\nexcept RuntimeError:\n    print("refused", n)\ngo.set()`;
  assert.equal((await inGroup({}, threads)).stdout, `refused ${MAX_PROCESSES}\n`);
});

test('processors', async () => {
  if (!can('cpu')) return;
  const busy = 'import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass\nprint("done", flush=True)\ntime.sleep(0.1)';
  assert.ok((await inGroup({ cpus: 0.2 }, busy)).throttled >= 2);
  assert.equal((await inGroup({}, busy)).throttled, 0);
});
