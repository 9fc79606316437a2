/** Commands on the host, without a terminal: how they end, and what they leave behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../../e2e/stage/workspace.ts';

const LIMIT = { timeout: 30_000 };

/** Runs `runHostJob` in a process of its own, as its signals and streams are that process's. */
function host(settings: { command: string; args?: string[]; timeout?: number | null; env?: object; workspace?: string }) {
  const module = join(import.meta.dirname, '../../../cli/job/host-job.ts');
  const script = `
    const { runHostJob } = await import(${JSON.stringify(module)});
    console.error(JSON.stringify(await runHostJob(${JSON.stringify({ args: [], timeout: null, env: {}, workspace: '/tmp', ...settings })})));
    const left = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'].filter((name) => process.listenerCount(name) > 0);
    if (left.length > 0) console.error('listeners left', left);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const closed = once(child, 'close');
  return {
    child,
    get stdout() {
      return stdout;
    },
    async end(): Promise<{ stdout: string; stderr: string; exit: { code: number; timedOut: boolean } }> {
      await closed;
      return { stdout, stderr, exit: JSON.parse(stderr.trimEnd().split('\n').at(-1)!) };
    },
  };
}

test('exit codes, streams, environment and directory are the command\'s', LIMIT, async () => {
  const job = host({ command: 'sh', args: ['-c', 'read line; echo "$line $V $HOME $(pwd)"; exit 5'], env: { V: 'v' } });
  job.child.stdin.end('in\n');
  const { stdout, exit } = await job.end();
  assert.deepEqual([stdout, exit], [`in v ${process.env['HOME']} /tmp\n`, { code: 5, timedOut: false }]);
  for (const [command, code] of [['no-such-command', 127], ['/etc/passwd', 126]] as const) assert.equal((await host({ command }).end()).exit.code, code);
  assert.equal((await host({ command: 'sh', args: ['-c', 'kill -KILL $$'] }).end()).exit.code, 137);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} reaches the command and all that it started`, LIMIT, async () => {
    const job = host({ command: 'bash', args: ['-c', 'echo $$; ulimit -c 0; sleep 61; echo late'] });
    // Between its fork and its exec a child of bash loses the signals that it takes, as bash's handlers only note them.
    await until('it sleeps', () => job.stdout.includes('\n') && childOf(Number(job.stdout)) === 'sleep');
    job.child.kill(signal);
    const { stdout, exit } = await job.end();
    assert.ok(exit.code > 128, String(exit.code));
    assert.doesNotMatch(stdout, /late/);
    await until('nothing is left', () => !groupRuns(Number(stdout)));
  });
}

test('a timeout: SIGTERM to all, then SIGKILL to what does not end, and 124', LIMIT, async () => {
  const mild = host({ command: 'bash', args: ['-c', "trap 'echo ending; exit 0' TERM; echo $$; sleep 61 & wait"], timeout: 300 });
  const { stdout, exit } = await mild.end();
  assert.deepEqual([stdout.split('\n')[1], exit], ['ending', { code: 124, timedOut: true }]);
  await until('nothing is left', () => !groupRuns(Number(stdout.split('\n')[0])));
  const stubborn = await host({ command: 'bash', args: ['-c', "trap '' TERM; echo $$; while :; do sleep 0.1; done"], timeout: 300 }).end();
  assert.deepEqual(stubborn.exit, { code: 124, timedOut: true });
  await until('nothing is left', () => !groupRuns(Number(stubborn.stdout)));
  assert.deepEqual((await host({ command: 'true', timeout: 20_000 }).end()).exit, { code: 0, timedOut: false });
});

/** The name of the program that a process's child runs. */
function childOf(pid: number): string | null {
  const child = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return child === '' ? null : readFileSync(`/proc/${child}/comm`, 'utf8').trim();
}

/** True where a process of the group lives; one that is dead and not yet collected does not count. */
function groupRuns(group: number): boolean {
  try {
    process.kill(-group, 0);
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${group}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
