/** WebSockets of foreign clients in a guest with foreign servers outside. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { CHAT_PAGE, ChatServer, ForeignChatServer, GUEST_WS } from '../stage/chat.ts';
import { chromiumArgs } from '../stage/chromium.ts';
import { GUEST_NODE, Stage } from '../stage/stage.ts';
import type { Job } from '../stage/workspace.ts';
import { chatOf, chatSummary, overHttp3 } from './chat.ts';
import { row } from './row.ts';

let stage: Stage;
let node: ChatServer;
let python: ForeignChatServer;
let hypercorn: ForeignChatServer;

before(async () => {
  stage = await Stage.open();
  const { folder } = stage.workspace;
  node = await ChatServer.open(stage.identity, CHAT_PAGE);
  [python, hypercorn] = await Promise.all([ForeignChatServer.python('websockets', folder), ForeignChatServer.python('hypercorn', folder)]);
  const hosts = { 'ws.demo.test': node.address, 'python.demo.test': python.address, 'hypercorn.demo.test': hypercorn.address };
  stage.profile({ hosts, mounts: [GUEST_WS] });
  stage.profile({ hosts, mounts: [GUEST_WS], sandbox: { deniedDomains: ['ws.demo.test'] } }, 'denied.json');
});
after(async () => {
  await Promise.all([node?.close(), python?.close(), hypercorn?.close()]);
  await stage.close();
});

async function inGuest(profile: string, ...command: string[]): Promise<Job> {
  const job = await stage.workspace.job(['--profile', profile], command);
  assert.equal(job.code, 0, job.stderr + job.stdout);
  return job;
}

const ALL = ['text hello', 'binary AP8B', 'text fragments', 'text 300000 long'];

row({ client: 'ws of Node.js', server: 'ws of Node.js', protocol: 'WebSocket', result: 'HTTP/1.1 and 1.1, 5 and 5 messages, close 4000' }, async () => {
  const job = await inGuest('profile.json', GUEST_NODE, '/guest/chat.mjs', 'wss://ws.demo.test/chat');
  assert.match(job.stdout, /pong still there\?\n"hello" "\\u0000ÿ\\u0001" "fragments" "300000 bytes" closed 4000 enough/);
  const { flow, said } = chatOf(job);
  assert.deepEqual(said('client').filter((line) => !/^(?:ping|close)/.test(line)), ALL);
  assert.deepEqual(said('server').filter((line) => !/^(?:pong|close)/.test(line)), ALL);
  assert.ok(said('client').includes('ping still there?') && said('server').includes('pong still there?'));
  assert.deepEqual([flow.websocket!.subprotocol, flow.websocket!.close], ['chat', { code: 4000, reason: 'enough', from: 'client' }]);
  assert.deepEqual([flow.request!.url, flow.response!.status, flow.tls_sni], ['https://ws.demo.test/chat', 101, 'ws.demo.test']);
  assert.ok(flow.bytes.up > 300_000 && flow.bytes.down > 300_000);
  const signals = await stage.workspace.signals('--type', 'network_flow', '--where', 'kind=websocket');
  assert.ok(signals.some(({ data }) => data['flow'] === flow.id && data['messages_up'] === 6 && data['protocol'] === 'websocket'));
  return chatSummary(flow);
});

row({ client: 'ws of Node.js', server: 'ws of Node.js', protocol: 'WebSocket with permessage-deflate', result: 'HTTP/1.1 and 1.1, 5 and 5 messages, compressed, close 4000' }, async () => {
  const { flow, said } = chatOf(await inGuest('profile.json', GUEST_NODE, '/guest/chat.mjs', 'wss://ws.demo.test/chat', 'deflate'));
  assert.deepEqual(said('client').filter((line) => !/^(?:ping|close)/.test(line)), ALL);
  assert.deepEqual(said('server').filter((line) => !/^(?:pong|close)/.test(line)), ALL);
  assert.match(flow.websocket!.extensions!, /^permessage-deflate/);
  assert.ok(flow.bytes.up < 10_000 && flow.bytes.down < 10_000, 'it passed as it was sent');
  return chatSummary(flow);
});

row({ client: 'websockets of Python', server: 'websockets of Python', protocol: 'WebSocket with permessage-deflate', result: 'HTTP/1.1 and 1.1, 3 and 3 messages, compressed, close 4000' }, async () => {
  const job = await inGuest('profile.json', '/usr/bin/python3', '/guest/chat.py', 'wss://python.demo.test/chat');
  assert.match(job.stdout, /^same\nsame\nsame\n4000 .*PerMessageDeflate/);
  const { flow, said } = chatOf(job);
  for (const from of ['client', 'server'] as const) assert.deepEqual(said(from).slice(0, 3), ['text hello', 'binary AP8B', 'text 300000 long']);
  return chatSummary(flow);
});

row({ client: 'Chromium', server: 'ws of Node.js', protocol: 'WebSocket', result: 'HTTP/1.1 and 1.1, 2 and 2 messages, compressed, close 4000' }, async () => {
  const job = await inGuest('profile.json', 'chromium', ...chromiumArgs('https://ws.demo.test/page', '/tmp/browser'));
  assert.match(job.stdout, /not yet: hello, 100000 characters, closed 4000/, job.stderr);
  const { flow, said } = chatOf(job);
  for (const from of ['client', 'server'] as const) assert.deepEqual(said(from).slice(0, 2), ['text hello', 'text 100000 long']);
  return chatSummary(flow);
});

row({ client: 'Chromium', server: 'hypercorn', protocol: 'WebSocket in a stream of HTTP/2', result: 'HTTP/2 and 2, 2 and 2 messages, compressed, close 4000' }, async () => {
  const job = await inGuest('profile.json', 'chromium', ...chromiumArgs('https://hypercorn.demo.test/page', '/tmp/browser'));
  assert.match(job.stdout, /not yet: hello, 100000 characters, closed 4000/, job.stderr);
  const { flow, said } = chatOf(job);
  for (const from of ['client', 'server'] as const) assert.deepEqual(said(from).slice(0, 2), ['text hello', 'text 100000 long']);
  assert.deepEqual([flow.request!.method, flow.request!.url, flow.response!.status], ['CONNECT', 'https://hypercorn.demo.test/chat', 200]);
  const page = job.flows.find(({ request }) => request?.url.endsWith('/page'))!;
  assert.equal(flow.connection_id, page.connection_id, 'it shares the connection of its page');
  return chatSummary(flow);
});

row({ client: 'Chromium', server: 'ws of Node.js', protocol: 'WebSocket in a stream of HTTP/3, to HTTP/1.1', result: 'HTTP/3 and 1.1, 2 and 2 messages, compressed, close 4000' }, async () => {
  const job = await inGuest('profile.json', 'chromium', ...overHttp3('ws.demo.test'));
  assert.match(job.stdout, /not yet: hello, 100000 characters, closed 4000/, job.stderr);
  const { flow, said } = chatOf(job);
  for (const from of ['client', 'server'] as const) assert.deepEqual(said(from).slice(0, 2), ['text hello', 'text 100000 long']);
  return chatSummary(flow);
});

row({ client: 'ws of Node.js', server: 'ws of Node.js', protocol: 'WebSocket to a denied name', result: 'HTTP 403 on the handshake, 0 connections upstream, 1 violation' }, async () => {
  const before = node.connections;
  const job = await inGuest('denied.json', GUEST_NODE, '/guest/chat.mjs', 'wss://ws.demo.test/chat');
  const status = /Unexpected server response: (\d+)/.exec(job.stdout)?.[1];
  const flows = job.flows.filter(({ kind }) => kind !== 'dns');
  assert.deepEqual(flows.map(({ kind, outcome, response }) => [kind, outcome, response?.status]), [['http', 'denied', 403]]);
  const violations = (await stage.workspace.signals('--type', 'sandbox_violation')).filter(({ data }) => data['job'] === flows[0]!.job_id);
  return `HTTP ${status} on the handshake, ${node.connections - before} connections upstream, ${violations.length} violation`;
});
