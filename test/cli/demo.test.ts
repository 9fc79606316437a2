/** `npm start` without its set-up: the demo in a process namespace of its own, in which nothing may stay behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { shortcomings, type Evidence } from '../../cli/demo/outcome.ts';
import type { FlowRecord } from '../../core/index.ts';
import { openCir, type Signal } from '../../plugins/cir-sink/cir.ts';

const START = join(import.meta.dirname, '../../cli/demo/start.ts');
const folder = mkdtempSync(join(tmpdir(), 'mentu-demo-'));
/** Run by process 1 of the namespace: whatever else runs when the command has ended was left by it. */
const SCRIPT = '"$@"; code=$?; for entry in /proc/[0-9]*; do [ "$entry" = /proc/1 ] || echo "left: $(cat "$entry/comm")"; done; exit $code';

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function inProcessNamespace(...command: string[]): Promise<Run> {
  const namespace = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const child = spawn('unshare', [...namespace, 'sh', '-c', SCRIPT, 'sh', ...command], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 90_000, killSignal: 'SIGKILL' });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: code as number | null, stdout, stderr };
}

let demo: Run;
let evidence: Evidence;

before(async () => {
  demo = await inProcessNamespace(process.execPath, START, folder);
  assert.equal(demo.code, 0, demo.stdout + demo.stderr);
  const jobs = join(folder, '.mentu/jobs');
  const job = readlinkSync(join(jobs, 'latest'));
  const flows = readFileSync(join(jobs, job, 'flows.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as FlowRecord);
  const cir = openCir(join(folder, 'home'));
  const signals: Signal[] = [];
  for await (const signal of cir.stream({ job, limit: 1000 })) signals.push(signal);
  await cir.close();
  const served = Map.groupBy(flows.filter(({ outcome }) => outcome === 'completed'), ({ tls_sni }) => tls_sni);
  evidence = { flows, signals, visitsOf: (host) => served.get(host)?.length ?? 0 };
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('every client of the tour succeeds, and the denied one is told so', () => {
  for (const line of [/curl +GET https:\/\/api\.demo\.test\/orders +200, HTTP\/2/, /node +POST .* 201,/, /python +GET .* 200,/, /git +clone https:\/\/git\.demo\.test/, /curl +POST https:\/\/tracker\.demo\.test\/collect +403, violation vio_/]) {
    assert.match(demo.stdout, line);
  }
});

test('the summary and the rows of the query are of the flows just made', () => {
  const { flows } = evidence;
  const requests = flows.filter(({ kind }) => kind !== 'dns');
  assert.match(demo.stderr, new RegExp(`^mentu: ${requests.length} flows to 4 hosts and ${flows.length - requests.length} look-ups, 1 denied, 0 failed`, 'm'));
  const rows = demo.stdout.split('\n').filter((line) => line.includes('  network_flow  '));
  assert.equal(rows.length, flows.length);
  for (const { request } of requests) assert.ok(rows.some((row) => row.includes(`${request!.method} ${request!.url} `)), request!.url);
  assert.equal(demo.stdout.match(/ {2}sandbox_violation {2}/g)?.length, 1);
});

test('no process stays behind', async () => {
  assert.doesNotMatch(demo.stdout, /^left:/m);
  const control = await inProcessNamespace('sh', '-c', 'sleep 30 >/dev/null 2>&1 &');
  // Looked at as soon as this, it may not have become `sleep` yet.
  assert.match(control.stdout, /^left: (?:sleep|sh)\n$/, 'one that does is seen');
});

test('the demo would fail where something is missing', () => {
  assert.deepEqual(shortcomings(evidence), []);
  const { flows, signals } = evidence;
  const isRefused = ({ outcome }: FlowRecord): boolean => outcome === 'denied';
  const cases: Record<string, Evidence> = {
    'a flow is not recorded': { ...evidence, flows: flows.filter((_flow, at) => at !== flows.findIndex(({ request }) => request !== null)) },
    'the denied request passed': { ...evidence, flows: flows.map((flow) => (isRefused(flow) ? { ...flow, outcome: 'completed' } : flow)) },
    'the denied request reached its server': { ...evidence, visitsOf: (host) => (host === 'tracker.demo.test' ? 1 : evidence.visitsOf(host)) },
    'a signal is missing': { ...evidence, signals: signals.filter(({ type }: Signal) => type !== 'sandbox_violation') },
    'a client got another status': { ...evidence, flows: flows.map((flow) => (flow.response?.status === 201 ? { ...flow, response: { ...flow.response, status: 500 } } : flow)) },
  };
  for (const [name, changed] of Object.entries(cases)) assert.notDeepEqual(shortcomings(changed), [], name);
});
