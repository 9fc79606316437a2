/** However a guest, its engine or its host ends: nothing of it is left, and what remains says how it ended. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { GuestExit } from '../../plugins/engines/engine.ts';
import { ENGINES } from './engines.ts';
import type { TestedEngine } from './engines.ts';
import { consume, specOf, until, within } from './job.ts';
import { descendants } from '../stage/process-tree.ts';
import { Traces } from './traces.ts';

const HOST = join(import.meta.dirname, 'host.ts');

interface Held {
  readonly process: ChildProcess;
  readonly exited: Promise<GuestExit>;
  traces(): Traces;
}

/** A process that holds a guest, with folders for temporary files of its own. */
async function withHost(engine: TestedEngine, use: (host: Held) => Promise<void>, { untilRunning = true } = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ending-test-'));
  const [temporary, share] = ['tmp', 'share'].map((name) => join(folder, name)) as [string, string];
  for (const path of [temporary, share]) mkdirSync(path);
  const folders = Traces.listing(folder);
  // A guest that ignores every signal it can, with a child in a session of its own.
  const script = 'setsid sleep 62 & trap "" TERM INT HUP; while :; do sleep 1; done';
  const spec = { command: 'bash', args: ['-c', script], mounts: [{ source: share, destination: '/share', readOnly: true }] };
  const host = spawn(process.execPath, ['--no-warnings', HOST, engine.name, JSON.stringify(spec)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, TMPDIR: temporary },
  });
  try {
    const exited = new Promise<GuestExit>((resolve) => host.on('message', (message: { exited?: GuestExit }) => message.exited && resolve(message.exited)));
    if (untilRunning) {
      await within(once(host, 'message'), 20_000 * engine.patience);
      await new Promise((resolve) => setTimeout(resolve, 100 * engine.patience));
    }
    await use({ process: host, exited, traces: () => new Traces(host.pid!, folders) });
  } finally {
    host.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
}

for (const engine of ENGINES) {
  describe(engine.name, { concurrency: 2 }, () => {
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
      test(`${signal} to the host process leaves nothing`, () => withHost(engine, async (host) => {
        const traces = host.traces();
        host.process.kill(signal);
        await traces.gone();
      }));
    }

    test('kill -9 of the host process at any moment of the start leaves nothing', async () => {
      for (const part of [0.2, 0.5, 0.8]) {
        await withHost(engine, async (host) => {
          const begun = performance.now();
          await until('the helper is started', () => descendants(host.process.pid!).length > 0, 5000 * engine.patience);
          await new Promise((resolve) => setTimeout(resolve, part * 400 * engine.patience ** 1.2));
          const made = descendants(host.process.pid!);
          host.process.kill('SIGKILL');
          const left = (): string[] => made.filter(({ pid, name }) => descendants(process.pid).concat(descendants(1)).some((entry) => entry.pid === pid && entry.name === name)).map(({ name }) => name);
          await until(`nothing is left, ${Math.round(performance.now() - begun)} ms after the start`, () => left().length === 0);
        }, { untilRunning: false });
      }
    });

    test('kill -9 of the helper ends the guest, as a failure of the engine', () => withHost(engine, async (host) => {
      const traces = host.traces();
      process.kill(traces.processes[0]!.pid, 'SIGKILL');
      const { code, failure } = await within(host.exited);
      assert.equal(code, 125);
      assert.ok(failure);
      await traces.gone();
    }));

    for (const name of engine.processes) {
      test(`kill -9 of any ${name} ends the guest, as a failure of the engine`, async () => {
        const kill = (index: number): Promise<number> => {
          let count = 0;
          return withHost(engine, async (host) => {
            const traces = host.traces();
            count = traces.named(name).length;
            process.kill(traces.named(name)[index]!.pid, 'SIGKILL');
            const { code, signal } = await within(host.exited);
            // The kernel ends a command with the first process of its guest, and that is then how it ended.
            if (signal === 'SIGKILL') assert.equal(code, 137);
            else assert.equal(code, 125);
            host.process.send('close');
            await traces.gone();
          }).then(() => count);
        };
        const count = await kill(0);
        for (let index = 1; index < count; index++) await kill(index);
      });
    }

    test('close ends a guest that ignores signals, and all it has started', () => withHost(engine, async (host) => {
      const traces = host.traces();
      host.process.send('close');
      assert.deepEqual(await within(host.exited), { code: 137, signal: 'SIGKILL' });
      await traces.gone();
    }));

    test('a command that exits at once, and leaves children: its exit code, and nothing is left', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'ending-test-'));
      const before = descendants(process.pid).map(({ pid }) => pid);
      const guest = await (await engine.make()).prepare(specOf({ limits: engine.limits, command: 'bash', args: ['-c', 'setsid sleep 64 & exit 3'], stdio: [0, 1, 2] }));
      consume(guest);
      const own = descendants(process.pid).filter(({ pid }) => !before.includes(pid));
      assert.ok(own.length >= 2, own.map(({ name }) => name).join());
      await guest.run();
      assert.deepEqual(await within(guest.exited), { code: 3, signal: null });
      await within(guest.close());
      await until('its processes are gone', () => !descendants(process.pid).some(({ pid }) => own.some((entry) => entry.pid === pid)));
      rmSync(folder, { recursive: true });
    });

    test('a guest that never runs can be closed, twice', async () => {
      const before = descendants(process.pid).map(({ pid }) => pid);
      const guest = await (await engine.make()).prepare(specOf({ limits: engine.limits }));
      consume(guest);
      const own = descendants(process.pid).filter(({ pid }) => !before.includes(pid));
      assert.ok(own.some(({ name }) => name === 'bwrap'));
      await within(Promise.all([guest.close(), guest.close()]));
      await guest.close();
      await until('its processes are gone', () => !descendants(process.pid).some(({ pid }) => own.some((entry) => entry.pid === pid)));
      assert.equal((await guest.exited).code, 137);
    });
  });
}
