/** kill -9 of each party in mid-flow: nothing is left behind but a record that is whole, or can be made so. */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '../../core/index.ts';
import { echo } from './stage/origin.ts';
import { Stage } from './stage/stage.ts';
import { descendants } from '../stage/process-tree.ts';
import { Traces, commandLine, isRunning } from './stage/traces.ts';
import { flowsOf, until } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
let stage: Stage;
let open = 0;

before(async () => {
  stage = await Stage.open((request, response) => {
    if (request.url === '/open') return void response.end(String(open));
    if (request.url !== '/endless') return echo(request, response);
    open++;
    response.once('close', () => open--);
    const timer = setInterval(() => (response as { write(text: string): boolean }).write('more '), 20);
    response.once('close', () => clearInterval(timer));
    return undefined;
  });
  stage.profile();
});
after(() => stage.close());

const runtime = (script: string): ChildProcess => stage.workspace.start('mentu-runtime', ['exec', '--interceptor', '--json', '--profile', 'profile.json', '--', 'bash', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });

for (const http of ['1.1', '2']) {
  test(`kill -9 of the client over HTTP/${http}: the origin learns of it, the flow is recorded, the job goes on`, LIMIT, async () => {
    const script = `curl -sSN --http${http} -o /tmp/out https://api.demo.test/endless & until [ -s /tmp/out ]; do sleep 0.05; done; kill -9 $!; wait $!; echo $?; for _ in $(seq 40); do left=$(curl -sS https://api.demo.test/open); [ "$left" = 0 ] && break; sleep 0.05; done; echo $left open`;
    const { code, stdout, flows } = await stage.workspace.job(['--profile', 'profile.json'], ['bash', '-c', script]);
    assert.deepEqual([code, stdout], [0, '137\n0 open\n'], 'the origin saw the end');
    const flow = flows.find(({ request }) => request!.url.endsWith('/endless'))!;
    assert.deepEqual([flow.outcome, flow.error!.code, flow.response!.status], ['aborted', 'client_aborted', 200]);
    assert.match(flow.response!.body!, /^(more )+$/);
    assert.equal(flows.filter(({ request }) => request!.url.endsWith('/endless')).length, 1);
  });

  test(`kill -9 of the upstream over HTTP/${http}: the client sees an error, the flow is recorded with what came`, LIMIT, async () => {
    const path = stage.workspace.path.bind(stage.workspace);
    const upstream = fork(join(import.meta.dirname, 'stage/slow-origin.ts'), [path('leaf.key'), path('leaf.pem'), path('ca.pem')], { execArgv: ['--no-warnings'] });
    try {
      const [{ address }] = (await once(upstream, 'message')) as [{ address: string }];
      upstream.once('message', () => upstream.kill('SIGKILL'));
      const { stdout, flows } = await stage.workspace.job(stage.profile({ hosts: { 'slow.demo.test': address } }, 'slow.json'), ['bash', '-c', `curl -sS --http${http} https://slow.demo.test/it; echo " $?"`]);
      assert.match(stdout, /^beginning of \/it (18|56|92)\n$/, 'curl tells a transfer that was cut off');
      const [flow] = flows;
      assert.deepEqual([flows.length, flow!.outcome, flow!.error!.code, flow!.response!.body], [1, 'failed', 'upstream_aborted', 'beginning of /it']);
    } finally {
      upstream.kill('SIGKILL');
    }
  });
}

test('kill -9 of mentu-runtime: nothing is left, the record has what was finished a second before, and ingest completes the store', LIMIT, async () => {
  const child = runtime('curl -sS -o /dev/null https://api.demo.test/endless & exec /usr/bin/python3 /guest/knock.py api.demo.test');
  const finished: { readonly number: number; readonly at: number }[] = [];
  child.stdout!.on('data', (chunk) => {
    for (const line of String(chunk).split('\n')) if (line !== '') finished.push({ number: Number(line), at: performance.now() });
  });
  await until('requests are under way', () => finished.length > 0);
  const due = (at: number) => finished.filter((request) => at - request.at > 1000);
  await until('a hundred requests were finished more than a second ago', () => due(performance.now()).length > 100);
  assert.ok(open > 0, 'a flow is in its middle');
  const traces = new Traces(child.pid!);
  const killed = performance.now();
  child.kill('SIGKILL');
  await traces.gone();
  assert.equal(open, 0, 'the connection upstream is gone as well');

  const file = join(stage.workspace.latest, 'flows.jsonl');
  const lines = readFileSync(file, 'utf8').split('\n');
  const torn = lines.pop();
  assert.ok(torn !== undefined);
  const requests = lines.map((line) => JSON.parse(line) as FlowRecord).filter(({ kind }) => kind !== 'dns');
  const recorded = new Map(requests.map((flow) => [new URL(flow.request!.url).pathname, flow.id]));
  assert.equal(recorded.size, requests.length, 'no flow twice');
  for (const { number } of due(killed)) assert.ok(recorded.has(`/knock/${number}`), `/knock/${number} of ${recorded.size}: ${[...recorded.keys()].slice(0, 3)}`);

  const flowSignals = async (): Promise<string> => JSON.stringify((await stage.workspace.signals('--type', 'network_flow', '--job', jobOf(stage.workspace.latest), '--where', 'kind=http')).map(({ id, data }) => [id, data]).sort());
  const first = await stage.workspace.run('mentu', ['cir', 'ingest', file]);
  assert.equal(first.code, 0, first.stderr);
  const complete = await flowSignals();
  for (const id of recorded.values()) assert.ok(complete.includes(`"sig_${id}"`), id);
  // The store may be a moment ahead of the file, by flows after the last that the file holds, and by no others.
  const ids = new Set([...recorded.values()].map((id) => `sig_${id}`));
  const last = Math.max(...[...recorded.keys()].map((path) => Number(path.split('/').at(-1))));
  const ahead = (JSON.parse(complete) as [string, { path: string }][]).filter(([id]) => !ids.has(id));
  for (const [, { path }] of ahead) assert.ok(Number(path.split('/').at(-1)) > last, `${path} is in the store and not in the file, which ends at ${last}`);
  assert.equal((await stage.workspace.run('mentu', ['cir', 'ingest', file])).code, 0);
  assert.equal(await flowSignals(), complete, 'twice gives the same store');
});

test('kill -9 of mentu-runtime while its guest is being prepared, in the middle of a hand-over: nothing is left', LIMIT, async () => {
  const child = stage.workspace.start('mentu-runtime', ['exec', '--interceptor', '--', 'sleep', '60']);
  const helper = await until('the helper is started', () => descendants(child.pid!).find(({ pid }) => commandLine(pid).includes('launcher')));
  try {
    // Stopped here, it takes none of the listeners that the helper sends it.
    child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.ok(isRunning(helper.pid), 'the helper waits');
    child.kill('SIGKILL');
    await until('the helper is gone', () => !isRunning(helper.pid), 5000);
  } finally {
    if (isRunning(helper.pid)) process.kill(helper.pid, 'SIGKILL');
  }
});

for (const victim of ['bwrap', 'helper'] as const) {
  test(`kill -9 of ${victim === 'helper' ? "the engine's helper" : 'bubblewrap'}: the job ends soon with 125, its record whole, and nothing is left`, LIMIT, async () => {
      const child = runtime('curl -sS https://api.demo.test/first; curl -sSN -o /tmp/out https://api.demo.test/endless & until [ -s /tmp/out ]; do sleep 0.05; done; echo under way; wait');
    let stdout = '';
    let stderr = '';
    child.stdout!.on('data', (chunk) => (stdout += chunk));
    child.stderr!.on('data', (chunk) => (stderr += chunk));
    const closed = once(child, 'close');
    await until('the flow is under way', () => stdout.includes('under way'));
    const traces = new Traces(child.pid!);
    const killed = performance.now();
    process.kill(victim === 'bwrap' ? traces.named('bwrap') : traces.processes.find(({ parent }) => parent === child.pid)!.pid, 'SIGKILL');
    const [code] = (await closed) as [number];
    assert.equal(code, 125, stderr);
    assert.ok(performance.now() - killed < 5000);
    assert.match(stderr, /mentu-runtime exec: .*engine/s);
    await traces.gone();
    const flows = flowsOf(stage.workspace.latest);
    assert.deepEqual(flows.map(({ request, outcome }) => [new URL(request!.url).pathname, outcome]), [['/first', 'completed'], ['/endless', 'aborted']]);
    assert.equal(open, 0);
    assert.equal((await stage.workspace.signals('--job', jobOf(stage.workspace.latest), '--where', 'kind=http')).length, 2);
  });
}

function jobOf(folder: string): string {
  return folder.split('/').at(-1)!;
}
