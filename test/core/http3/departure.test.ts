/** Upstreams that end their connection after an answer, and captures that end, where the client came by HTTP/3. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Headers } from '../../../core/headers.ts';
import { Http3Client } from '../../../core/http3/client.ts';
import type { QuicEnd } from '../../../core/quic/connection.ts';
import { Http3Origin, ask, dialHttp3, http3Client, listenHttp3 } from '../../stage/http3.ts';
import { originCA } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';

const SIZE = 1_000_000;

test('the client gets all of the last answer, and then the end of its connection', async (t) => {
  const server = createServer(originCA.identity('api.test'), (_, response) => {
    response.writeHead(200, { 'content-length': SIZE, connection: 'close' });
    response.end(Buffer.alloc(SIZE, 65));
  });
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  await using stage = await Stage.open({ 'api.test': { port: (server.address() as AddressInfo).port } });
  const port = await listenHttp3(stage);
  for (let i = 0; i < 3; i++) {
    const client = await http3Client(stage, port);
    assert.equal((await ask(client)).body.length, SIZE);
    await until('the end of the connection', () => client.isClosed);
  }
  for (const { outcome, bytes } of await stage.recorded(3)) assert.deepEqual([outcome, bytes.down], ['completed', SIZE]);
});

test('a capture that is closed tells clients so without an error, and records it', async () => {
  await using origin = await Http3Origin.open((exchange) => {
    exchange.attach({ onRequestData() {}, onRequestEnd() {}, onClientAbort() {}, onClientHalfClose() {}, onClientError() {}, onClientDrain() {} });
    exchange.start();
    exchange.respond({ status: 200, statusText: '', httpVersion: '3', headers: new Headers(['alt-svc', 'h3=":443"']), hasBody: true });
    exchange.write(Buffer.from('half'));
  });
  await using stage = await Stage.open({ 'api.test': origin });
  const quic = await dialHttp3(stage, await listenHttp3(stage), 'api.test');
  const ends: QuicEnd[] = [];
  const client = new Http3Client(quic, 'api.test', (end) => ends.push(end));
  const answer = assert.rejects(ask(client));
  await until('the flow', () => origin.servers[0]?.isIdle === false);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await stage.close();
  await answer;
  assert.deepEqual(ends, [{ by: 'peer', code: 0x100, isApplication: true, reason: 'shutting down' }]);
  const [record] = stage.records;
  assert.deepEqual([record!.outcome, record!.error?.code, record!.response?.headers], ['aborted', 'shutting_down', [['alt-svc', 'h3=":443"']]]);
});
