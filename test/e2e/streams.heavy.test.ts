/** 10,000 streams at the same time over 100 connections of HTTP/2, through the proxy in its own process: all are answered, all recorded. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { after, before, test } from 'node:test';
import { ProxyProcess } from './stage/proxy-process.ts';
import { Stage } from './stage/stage.ts';
import type { OriginResponse } from './stage/origin.ts';

const CONNECTIONS = 100;
const STREAMS = 100;
const ALL = CONNECTIONS * STREAMS;
/** Answers that wait until all requests have come. */
const held: (() => void)[] = [];
let stage: Stage;

before(async () => {
  stage = await Stage.open((request, response: OriginResponse) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      held.push(() => (response as { end(text: string): void }).end(`${request.url} ${body}`));
      if (held.length === ALL) for (const answer of held) answer();
    });
  });
  stage.profile();
});
after(() => stage.close());

async function session(proxy: ProxyProcess): Promise<ClientHttp2Session> {
  const socket = await proxy.tunnel('api.demo.test:443');
  const tls = connectTls({ socket, servername: 'api.demo.test', ca: proxy.authority, ALPNProtocols: ['h2'] });
  await once(tls, 'secureConnect');
  const made = connectHttp2('https://api.demo.test', { createConnection: () => tls });
  await once(made, 'connect');
  return made;
}

async function exchange(made: ClientHttp2Session, path: string): Promise<void> {
  const stream = made.request({ ':method': 'POST', ':path': path });
  stream.end('body');
  let answer = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
  await once(stream, 'end');
  assert.equal(answer, `${path} body`);
}

test(`${ALL} streams over ${CONNECTIONS} connections`, { timeout: 300_000 }, async (t) => {
  const proxy = await ProxyProcess.open(stage);
  const sessions: ClientHttp2Session[] = [];
  for (let at = 0; at < CONNECTIONS; at++) sessions.push(await session(proxy));
  const before = proxy.memory;
  const start = performance.now();
  await Promise.all(sessions.flatMap((made, at) => Array.from({ length: STREAMS }, (_, stream) => exchange(made, `/${at}/${stream}`))));
  const took = performance.now() - start;
  const growth = proxy.peak - before;
  assert.equal(held.length, ALL, 'all were under way at the same time');
  for (const made of sessions) made.destroy();
  const flows = await proxy.end();
  assert.equal(flows.length, ALL);
  assert.equal(new Set(flows.map(({ request }) => request!.url)).size, ALL);
  assert.equal(new Set(flows.map(({ connection_id }) => connection_id)).size, CONNECTIONS);
  assert.ok(flows.every(({ outcome, http_version, request, response }) => outcome === 'completed' && http_version === '2' && request!.body === 'body' && response!.status === 200));
  t.diagnostic(`${(took / 1000).toFixed(1)} s; peak of resident memory above the start ${growth.toFixed(0)} MiB, ${((growth * 1024) / ALL).toFixed(1)} KiB a stream`);
});
