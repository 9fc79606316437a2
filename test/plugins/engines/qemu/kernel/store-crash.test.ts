/** Setups that are killed in the middle, or that run side by side, never leave half a kernel. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { KernelStore } from '../../../../../plugins/engines/qemu/kernel/store.ts';
import { testPackages } from '../../../../stage/kernel.ts';

const { vmlinuz, modules, busybox } = await testPackages();
const PROGRAM = join(import.meta.dirname, 'preparing-program.ts');

function newHome(context: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'mentu-crash-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

/** `begun` resolves when the kernel is about to be prepared, `ended` to the exit code, which is null after a kill. */
function start(home: string): { begun: Promise<unknown>; ended: Promise<number | null>; kill(): void } {
  const child = spawn(process.execPath, [PROGRAM, home, vmlinuz, modules, busybox], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 });
  return {
    begun: once(child.stdout, 'data'),
    ended: once(child, 'exit').then(([code]) => code as number | null),
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Either there is no current kernel, or it is whole. */
function holds(home: string): boolean {
  const store = new KernelStore(home);
  const { kernel, reason } = store.state();
  if (kernel === null) assert.equal(reason, 'no kernel is set up');
  else assert.equal(store.damageOf(kernel), null);
  return kernel !== null;
}

test('a setup that is killed leaves the kernel of before or none, and the next one completes', async (t) => {
  const home = newHome(t);
  const whole = start(home);
  await whole.begun;
  const began = performance.now();
  assert.equal(await whole.ended, 0);
  const duration = performance.now() - began;
  assert.ok(holds(home));
  const anew = newHome(t);
  for (let round = 0; round < 6; round++) {
    const child = start(round % 2 === 0 ? anew : home);
    await child.begun;
    // The files are written towards the end.
    await pause(duration * (0.5 + round * 0.08));
    child.kill();
    await child.ended;
    holds(anew);
    assert.ok(holds(home), 'what was whole stays whole');
  }
  assert.equal(await start(anew).ended, 0);
  assert.ok(holds(anew));
});

test('setups side by side come to the same kernel', async (t) => {
  const home = newHome(t);
  const exits = await Promise.all([1, 2, 3].map(() => start(home).ended));
  assert.deepEqual(exits, [0, 0, 0]);
  assert.ok(holds(home));
  assert.equal(readdirSync(join(home, 'kernels')).length, 1);
  assert.deepEqual(readdirSync(home, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.draft-')), []);
});

test('what killed setups left is removed by a later one', async (t) => {
  const home = newHome(t);
  const child = start(home);
  await child.begun;
  child.kill();
  await child.ended;
  const key = '0'.repeat(64);
  mkdirSync(join(home, 'kernels', key), { recursive: true });
  writeFileSync(join(home, 'kernels', key, '.draft-image'), 'half');
  const old = (Date.now() - 2 * 60 * 60 * 1000) / 1000;
  mkdirSync(join(home, '.draft-apt', 'lists'), { recursive: true });
  for (const draft of ['.draft-apt', `kernels/${key}/.draft-image`]) utimesSync(join(home, draft), old, old);
  writeFileSync(join(home, '.draft-young'), '');
  assert.equal(await start(home).ended, 0);
  assert.deepEqual(readdirSync(home, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.draft-')), ['.draft-young']);
});
