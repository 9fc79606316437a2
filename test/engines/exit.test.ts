/** How a command ends, as a script around it sees it, and the signals that it gets. */
import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ENGINES } from './engines.ts';
import { runJob, shell, until } from './job.ts';

const TRAPPED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'] as const;

for (const engine of ENGINES) {
  describe(engine.name, { concurrency: 2 }, () => {
    test("a command's own code, and its home as the working directory", async () => {
      const { exit, stdout } = await shell(engine, '[ "$PWD" = ~ ] && echo home; exit 1');
      assert.deepEqual([exit, stdout], [{ code: 1, signal: null }, 'home\n']);
    });

    test('a command that ends itself by a signal', async () => {
      assert.deepEqual((await shell(engine, 'kill -KILL $$')).exit, { code: 137, signal: 'SIGKILL' });
    });

    test('127 for a command that is not there, and its name', async () => {
      const { exit, stderr } = await runJob(engine, { command: 'no-such-command' });
      assert.deepEqual(exit, { code: 127, signal: null });
      assert.match(stderr, /no-such-command/);
    });

    test("a command is the system's own program, and has the name that it was called by", async () => {
      const [list, named] = await Promise.all([
        runJob(engine, { command: 'ls', args: ['--version'] }),
        runJob(engine, { command: 'sh', args: ['-c', 'readlink -f /proc/$$/exe; tr "\\0" " " </proc/$$/cmdline | cut -d " " -f 1'] }),
      ]);
      assert.match(list.stdout, /GNU coreutils/);
      assert.equal(named.stdout, `${realpathSync('/bin/sh')}\nsh\n`);
    });

    for (const command of ['/etc/hosts', '/usr']) {
      test(`126 for a command that cannot be run: ${command}`, async () => {
        assert.deepEqual((await runJob(engine, { command })).exit, { code: 126, signal: null });
      });
    }

    test('125 where the working directory is not there, and its name', async () => {
      const { exit, stderr } = await runJob(engine, { command: 'pwd', cwd: '/nowhere' });
      assert.equal(exit.code, 125);
      assert.match(`${exit.failure} ${stderr}`, /\/nowhere/);
    });

    test('signals reach the command itself, which may handle them', async () => {
      const traps = TRAPPED.map((signal) => `trap 'echo ${signal}' ${signal.slice(3)}`).join('; ');
      const { exit, stdout } = await shell(engine, `${traps}; echo ready; while :; do sleep 0.01; done`, {
        running: async (guest, output) => {
          let expected = 'ready\n';
          for (const signal of TRAPPED) {
            await until(expected, () => output() === expected, 5000 * engine.patience);
            guest.signal(signal);
            expected += `${signal}\n`;
          }
          await until(expected, () => output() === expected, 5000 * engine.patience);
          guest.signal('SIGKILL');
        },
      });
      assert.equal(stdout, ['ready', ...TRAPPED, ''].join('\n'));
      assert.deepEqual(exit, { code: 137, signal: 'SIGKILL' });
    });

    test('a signal that the command does not handle ends it, though it is alone in its guest and has just begun', async () => {
      for (let time = 0; time < (engine.patience === 1 ? 20 : 1); time++) {
        const { exit } = await runJob(engine, { command: 'sleep', args: ['20'], running: (guest) => guest.signal('SIGTERM') });
        assert.deepEqual(exit, { code: 143, signal: 'SIGTERM' });
      }
    });
  });
}
