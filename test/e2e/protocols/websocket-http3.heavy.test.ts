/** A WebSocket in a stream of HTTP/3 on both sides. Its server is built first, by a compiler that takes long to install. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { CHAT_PAGE, ForeignChatServer } from '../stage/chat.ts';
import { Stage } from '../stage/stage.ts';
import { chatOf, chatSummary, overHttp3 } from './chat.ts';
import { row } from './row.ts';

let stage: Stage;
let server: ForeignChatServer;

before(async () => {
  stage = await Stage.open();
  server = await ForeignChatServer.http3(stage.workspace.folder, CHAT_PAGE);
  stage.profile({ hosts: { 'go.demo.test': server.address } });
});
after(async () => {
  await server?.close();
  await stage.close();
});

row({ client: 'Chromium', server: 'gorilla on quic-go', protocol: 'WebSocket in a stream of HTTP/3', result: 'HTTP/3 and 3, 2 and 2 messages, close 4000' }, async () => {
  const job = await stage.workspace.job(['--profile', 'profile.json'], ['chromium', ...overHttp3('go.demo.test')]);
  assert.match(job.stdout, /not yet: hello, 100000 characters, closed 4000/, job.stderr);
  const { flow, said } = chatOf(job);
  for (const from of ['client', 'server'] as const) assert.deepEqual(said(from).slice(0, 2), ['text hello', 'text 100000 long']);
  assert.deepEqual([flow.request!.method, flow.request!.url, flow.response!.status], ['CONNECT', 'https://go.demo.test/chat', 200]);
  const page = job.flows.find(({ request }) => request?.url.endsWith('/page'))!;
  assert.equal(flow.connection_id, page.connection_id, 'it shares the connection of its page');
  return chatSummary(flow);
});
