/** A job that is ended for its timeout, and one whose command is run again after it failed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { echo } from './stage/origin.ts';
import { Stage } from './stage/stage.ts';
import { Traces } from './stage/traces.ts';
import { flowsOf, until } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
let stage: Stage;
before(async () => {
  stage = await Stage.open((request, response) => {
    if (request.url !== '/endless') return echo(request, response);
    const timer = setInterval(() => (response as { write(text: string): boolean }).write('more '), 20);
    response.once('close', () => clearInterval(timer));
    return undefined;
  });
  stage.profile();
});
after(() => stage.close());

test('a timeout ends the command as timeout(1) does: SIGTERM, 124, and the open flow has its record', LIMIT, async () => {
  const script = `trap 'echo asked to end; exit 0' TERM; curl -sSN -o /tmp/out https://api.demo.test/endless & wait; wait`;
  const { code, stdout, stderr, summary, flows } = await stage.workspace.job(['--profile', 'profile.json', '--timeout', '1500ms'], ['bash', '-c', script]);
  assert.deepEqual([code, stdout], [124, 'asked to end\n'], stderr);
  assert.match(stderr, /mentu: the command was ended: it was not done within its timeout of 1s500ms\n/);
  assert.deepEqual([summary.exit_code, summary.timed_out, summary.restarts], [124, true, 0]);
  assert.deepEqual(flows.map(({ outcome, error, response }) => [outcome, error!.code, response!.status]), [['aborted', 'client_aborted', 200]]);
  assert.match(flows[0]!.response!.body!, /^(more )+$/);
  const people = await stage.workspace.run('mentu-runtime', ['exec', '--interceptor', '--timeout', '0.5', '--', 'sleep', '60']);
  assert.match(people.stderr, /exit code 124 \(timed out\)/);
});

test('a command that does not end by itself is killed after a grace, with all that it started', LIMIT, async () => {
  const started = performance.now();
  const { code, summary } = await stage.workspace.job(['--timeout', '1s', '--restart', 'on-failure'], ['bash', '-c', 'trap "" TERM; (trap "" TERM; exec sleep 50) & sleep 60; sleep 61']);
  assert.deepEqual([code, summary.timed_out, summary.restarts], [124, true, 0], 'a timeout is no failure that is tried again');
  assert.ok(performance.now() - started > 5500, 'it had its grace');
});

test('a command that is done in time is not touched, and a timeout of the profile can be taken away', LIMIT, async () => {
  stage.profile({ timeout: 1 }, 'hurried.json');
  const { code, summary } = await stage.workspace.job(['--profile', 'hurried.json', '--timeout', '0'], ['sh', '-c', 'sleep 1.5; exit 3']);
  assert.deepEqual([code, summary.timed_out], [3, false]);
  assert.equal((await stage.workspace.job(['--profile', 'hurried.json'], ['sh', '-c', 'exit 4'])).code, 4);
});

test('a command that fails is run again in a new guest, and all flows are in one record', LIMIT, async () => {
  const share = stage.workspace.path('.');
  stage.profile({ mounts: [{ source: share, destination: '/share' }], restartPolicy: 'on-failure:5' }, 'restarted.json');
  const script = 'touch /tmp/mark && ls /tmp; n=$(cat /share/count 2>/dev/null || echo 0); echo $((n + 1)) > /share/count; curl -sS https://api.demo.test/run/$n; [ $n = 2 ]';
  const { code, stdout, stderr, summary, flows } = await stage.workspace.job(['--profile', 'restarted.json'], ['bash', '-c', script]);
  assert.deepEqual([code, stdout], [0, [0, 1, 2].map((n) => `mark\nGET /run/${n} 0\n`).join('')], stderr);
  assert.equal(readFileSync(stage.workspace.path('count'), 'utf8'), '3\n');
  assert.deepEqual([summary.restarts, summary.exit_code, summary.timed_out, summary.flows - summary.lookups], [2, 0, false, 3]);
  assert.deepEqual(flows.map(({ request, outcome, connection_id }) => [new URL(request!.url).pathname, outcome, connection_id !== null]), [0, 1, 2].map((n) => [`/run/${n}`, 'completed', true]));
  assert.equal(new Set(flows.map(({ id }) => id)).size, 3);
  assert.match(stderr, /mentu: the command ended with exit code 1; restart 1 of 5 in 100ms\nmentu: the command ended with exit code 1; restart 2 of 5 in 200ms\n/);
});

test('it is not run more often than its policy says, and not where another run would mend nothing', LIMIT, async () => {
  const run = async (...command: string[]): Promise<[number | null, number, string]> => {
    const { code, summary, stdout } = await stage.workspace.job(['--network', 'none', '--restart', 'on-failure:2'], command);
    return [code, summary.restarts, stdout];
  };
  assert.deepEqual(await run('sh', '-c', 'echo run; exit 7'), [7, 2, 'run\nrun\nrun\n']);
  assert.deepEqual(await run('no-such-command'), [127, 0, '']);
  assert.deepEqual(await run('/etc/hostname'), [126, 0, '']);
  assert.deepEqual(await run('sh', '-c', 'kill -9 $$'), [137, 2, '']);
});

test('the flow that a failed run left open is recorded before the next run', LIMIT, async () => {
  const script = 'curl -sSN -o /tmp/out https://api.demo.test/endless & until [ -s /tmp/out ]; do sleep 0.05; done; exit 1';
  const { flows, summary } = await stage.workspace.job(['--profile', 'profile.json', '--restart', 'on-failure:1'], ['bash', '-c', script]);
  assert.equal(summary.restarts, 1);
  assert.deepEqual(flows.map(({ outcome }) => outcome), ['aborted', 'aborted']);
  assert.ok(Date.parse(flows[0]!.timestamp) + flows[0]!.timing.total <= Date.parse(flows[1]!.timestamp), 'one after the other');
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends a job whose command would be run again, in its run`, LIMIT, async () => {
    const child = stage.workspace.start('mentu-runtime', ['exec', '--network', 'none', '--restart', 'on-failure', '--', 'sh', '-c', `trap 'echo got it; exit 9' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`]);
    let stdout = '';
    child.stdout!.on('data', (chunk) => (stdout += chunk));
    await until('the command runs', () => stdout === 'ready\n');
    const traces = new Traces(child.pid!);
    child.kill(signal);
    assert.deepEqual([(await once(child, 'close'))[0], stdout], [9, 'ready\ngot it\n']);
    await traces.gone();
  });

  test(`${signal} ends a job in the pause before another run`, LIMIT, async () => {
    const child = stage.workspace.start('mentu-runtime', ['exec', '--network', 'none', '--interceptor', '--json', '--restart', 'on-failure', '--', 'false']);
    let stderr = '';
    child.stderr!.on('data', (chunk) => (stderr += chunk));
    await until('the pause is long', () => stderr.includes('in 3s200ms'), 40_000);
    child.kill(signal);
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, signal === 'SIGINT' ? 130 : 143, stderr);
    const summary = JSON.parse(stderr.trimEnd().split('\n').at(-1)!) as { restarts: number };
    assert.equal(summary.restarts, 5, 'the sixth was not to be');
    assert.deepEqual(flowsOf(stage.workspace.latest), []);
  });
}

test('a timeout that passes in the pause before another run ends the job as well', LIMIT, async () => {
  const { code, summary } = await stage.workspace.job(['--network', 'none', '--restart', 'on-failure', '--timeout', '2s'], ['false']);
  assert.deepEqual([code, summary.timed_out, summary.restarts >= 2 && summary.restarts <= 5], [124, true, true]);
});
