/** gRPC in a guest, by two clients that share no code, to a server of a third. */
import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { FlowRecord, GrpcRecord } from '../../../core/index.ts';
import { GrpcOrigin } from '../stage/grpc-origin.ts';
import { GUEST_NODE, Stage } from '../stage/stage.ts';
import { until, type Job } from '../stage/workspace.ts';
import { row } from './row.ts';

const MODULES = realpathSync(join(import.meta.dirname, '../../../node_modules'));
const HOST = 'grpc.demo.test';
const DENIED = 'evil.demo.test';
const NODE = [GUEST_NODE, '/guest/grpc_calls.mjs'];
const PYTHON = ['/usr/bin/python3', '/guest/grpc_calls.py'];
let stage: Stage;
let origin: GrpcOrigin;

before(async () => {
  stage = await Stage.open();
  origin = await GrpcOrigin.open(stage.identity);
  stage.profile({
    hosts: { [HOST]: origin.address, [DENIED]: origin.address },
    sandbox: { deniedDomains: [DENIED] },
    mounts: [{ source: MODULES, destination: '/opt/modules/node_modules', readOnly: true }],
  });
});
after(async () => {
  origin.close();
  await stage.close();
});

/** Runs calls in one guest, in order; what the client saw of each. */
async function calls(client: readonly string[], host: string, kinds: readonly string[]): Promise<{ job: Job; flows: FlowRecord[]; saw: string[] }> {
  const before = origin.calls.length;
  const job = await stage.workspace.job(['--profile', 'profile.json'], [...client, `${host}:443`, ...kinds]);
  assert.equal(job.code, 0, job.stdout + job.stderr);
  // Its look-ups are flows too.
  const flows = job.flows.filter(({ kind }) => kind === 'http');
  assert.equal(flows.length, kinds.length, 'one flow for each call');
  if (host === HOST) assert.equal(origin.calls.length - before, kinds.length);
  return { job, flows, saw: job.stdout.trimEnd().split('\n').map((line) => line.slice(line.indexOf(': ') + 2)) };
}

const named = (method: string): string => method[0]!.toUpperCase() + method.slice(1);

/** The flow of a call: all of it that the call decides. Returns what was said, `<` from the client. */
function spoken(flow: FlowRecord, kind: string, status: string, message: string | null): string {
  const grpc: GrpcRecord = flow.grpc!;
  assert.deepEqual([flow.kind, flow.request!.method, flow.request!.url, flow.http_version], ['http', 'POST', `https://${HOST}:443/demo.Echo/${named(kind)}`, '2']);
  assert.deepEqual([grpc.format, grpc.service, grpc.method, grpc.status_name, grpc.status_message, grpc.fault], ['grpc', 'demo.Echo', named(kind), status, message, null]);
  assert.deepEqual([grpc.messages_truncated, grpc.messages_file], [false, null]);
  for (const { at, size, data, compressed } of grpc.messages) assert.deepEqual([at > 0, size, compressed], [true, data!.length, false]);
  assert.deepEqual(grpc.message_count, { up: grpc.messages.filter(({ from }) => from === 'client').length, down: grpc.messages.filter(({ from }) => from === 'server').length });
  return grpc.messages.map(({ from, data }) => `${from === 'client' ? '<' : '>'}${data}`).join(' ');
}

const ECHOED = Array.from({ length: 10 }, (_, at) => String(at));

async function fourKinds(client: readonly string[]): Promise<string> {
  const { flows, saw } = await calls(client, HOST, ['unary', 'server', 'client', 'bidirectional']);
  assert.deepEqual(saw, ['hello back', '0,1,2 OK', 'abc', `${ECHOED.join(',')} OK`]);
  const said = flows.map((flow, at) => spoken(flow, ['unary', 'server', 'client', 'bidirectional'][at]!, 'OK', 'OK'));
  assert.deepEqual(said, ['<hello >hello back', '<3 >0 >1 >2', '<a <b <c >abc', ECHOED.map((text) => `<${text} >${text}`).join(' ')]);
  assert.ok(flows.every(({ outcome, error, response }) => outcome === 'completed' && error === null && response!.trailers.some(([name]) => name === 'grpc-status')));
  return `${flows.length} flows, ${flows.reduce((sum, { grpc }) => sum + grpc!.message_count.up + grpc!.message_count.down, 0)} messages, OK`;
}

async function earlyEnds(client: readonly string[]): Promise<string> {
  const { flows, saw } = await calls(client, HOST, ['early', 'fails', 'slow']);
  assert.deepEqual(saw.slice(0, 2), ['enough OK', 'NOT_FOUND no such thing: größe 100%']);
  assert.match(saw[2]!, /^first DEADLINE_EXCEEDED/);
  const [early, fails, slow] = flows as [FlowRecord, FlowRecord, FlowRecord];
  assert.equal(spoken(early, 'early', 'OK', 'OK'), '<x >enough');
  assert.equal(spoken(fails, 'fails', 'NOT_FOUND', 'no such thing: größe 100%'), '<x');
  // Both sides know the deadline: the client cancels, unless the server's word of it comes first.
  assert.deepEqual(slow.grpc!.message_count, { up: 1, down: 1 });
  assert.deepEqual([slow.outcome, slow.error?.code, slow.grpc!.status_name], slow.outcome === 'completed' ? ['completed', undefined, 'DEADLINE_EXCEEDED'] : ['aborted', 'client_aborted', null]);
  await until('the deadline reaches the server', () => origin.cancelled.at(-1) === '/demo.Echo/Slow');
  return '3 flows, OK, NOT_FOUND, over at its deadline';
}

async function denial(client: readonly string[]): Promise<string> {
  const { job, flows, saw } = await calls(client, DENIED, ['unary', 'bidirectional']);
  const rule = `deniedDomains: ${DENIED}`;
  for (const line of saw) assert.ok(line.trim().startsWith(`PERMISSION_DENIED denied: ${DENIED} by ${rule}`), line);
  for (const { outcome, error, violation, grpc, response } of flows) {
    assert.deepEqual([outcome, error!.code, grpc!.status_name, response!.status], ['denied', 'denied', 'PERMISSION_DENIED', 200]);
    assert.deepEqual(response!.headers.find(([name]) => name === 'x-mentu-violation'), ['x-mentu-violation', violation!.id]);
  }
  const signals = await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id);
  assert.deepEqual(signals.filter(({ data }) => data['kind'] === 'http').map(({ data }) => data['violation']).sort(), flows.map(({ violation }) => violation!.id).sort(), 'one violation each');
  return '2 flows, denied, PERMISSION_DENIED';
}

row({ client: '@grpc/grpc-js', server: '@grpc/grpc-js', protocol: 'gRPC: unary, server, client and bidirectional streams', result: '4 flows, 30 messages, OK' }, () => fourKinds(NODE));
row({ client: 'Python grpcio', server: '@grpc/grpc-js', protocol: 'gRPC: unary, server, client and bidirectional streams', result: '4 flows, 30 messages, OK' }, () => fourKinds(PYTHON));
row({ client: '@grpc/grpc-js', server: '@grpc/grpc-js', protocol: 'gRPC: the server ends first, an error, a deadline', result: '3 flows, OK, NOT_FOUND, over at its deadline' }, () => earlyEnds(NODE));
row({ client: 'Python grpcio', server: '@grpc/grpc-js', protocol: 'gRPC: the server ends first, an error, a deadline', result: '3 flows, OK, NOT_FOUND, over at its deadline' }, () => earlyEnds(PYTHON));
row({ client: '@grpc/grpc-js', server: '@grpc/grpc-js', protocol: 'gRPC to a denied name', result: '2 flows, denied, PERMISSION_DENIED' }, () => denial(NODE));
row({ client: 'Python grpcio', server: '@grpc/grpc-js', protocol: 'gRPC to a denied name', result: '2 flows, denied, PERMISSION_DENIED' }, () => denial(PYTHON));
