/** WebSockets that come over HTTP/3 (RFC 9220), to upstreams that have no such streams. */
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { performServerHandshake } from 'node:http2';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import type { Http3Client } from '../../../core/http3/client.ts';
import { Http3Session } from '../../../core/http3/session.ts';
import type { QuicConnection } from '../../../core/quic/connection.ts';
import { Stage } from '../../stage/captured.ts';
import { Http3Origin, ask, http3Client, listenHttp3 } from '../../stage/http3.ts';
import { Origin } from '../../stage/origin.ts';
import { Wire } from '../../stage/wire.ts';
import { BYE, HI, chat, joined } from './web-socket.ts';

/** Opens one over HTTP/3, to an origin that has no streams for it. */
async function translated(origin: Origin, upstream: string, act?: (client: Http3Client) => Promise<void>): Promise<void> {
  await using _origin = origin;
  await using stage = await Stage.open({ 'api.test': origin });
  const client = await http3Client(stage, await listenHttp3(stage));
  await act?.(client);
  const wire = new Wire(await joined(client));
  wire.write(HI);
  await wire.take('hello');
  wire.write(BYE.client);
  await wire.takeAll();
  wire.socket.end();
  const record = (await stage.recorded(act ? 2 : 1)).at(-1)!;
  assert.deepEqual([record.kind, record.outcome, record.http_version, record.upstream?.http_version, record.websocket?.subprotocol], ['websocket', 'completed', '3', upstream, 'chat']);
  assert.deepEqual([record.request?.method, record.response?.status, record.websocket?.close?.code], ['CONNECT', upstream === '1.1' ? 101 : 200, 1000]);
  client.destroy();
}

/** `ws` over HTTP/1.1 and, where a client prefers it, HTTP/2 with or without extended CONNECT. */
async function origin(alpn: readonly string[], enableConnectProtocol = false): Promise<Origin> {
  const http = createHttpServer((_request, response) => response.end('ok'));
  new WebSocketServer({ server: http, handleProtocols: () => 'chat' }).on('connection', (socket) => socket.on('message', () => socket.send('hello')));
  return Origin.rawTls((socket) => {
    if ((socket as { alpnProtocol?: string }).alpnProtocol !== 'h2') return void http.emit('connection', socket);
    const session = performServerHandshake(socket, { settings: { enableConnectProtocol } });
    session.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      stream.respond({ ':status': 200, ...(headers[':protocol'] ? { 'sec-websocket-protocol': 'chat' } : {}) });
      if (headers[':protocol']) chat(stream as unknown as Duplex);
      else stream.end('ok');
    });
  }, { ALPNProtocols: [...alpn] });
}

test('a WebSocket of HTTP/3 opens one of HTTP/1.1, with a key of ours', async () => translated(await origin(['http/1.1']), '1.1'));

test('a WebSocket of HTTP/3 opens one in a stream of HTTP/2', async () => translated(await origin(['h2', 'http/1.1'], true), '2'));

test('a WebSocket of HTTP/3 opens one of HTTP/1.1 where HTTP/2 is spoken without extended CONNECT', async () =>
  translated(await origin(['h2', 'http/1.1']), '1.1', async (client) => assert.equal(String((await ask(client)).body), 'ok')));

test('a WebSocket of HTTP/3 opens one of HTTP/1.1 where HTTP/3 is spoken without extended CONNECT', async () => {
  await using tcp = await origin(['h2', 'http/1.1'], true);
  // The SETTINGS of an end that is no server.
  const silent = (connection: QuicConnection): void => void new Http3Session(connection, 'client', { onRequestStream() {}, onGoaway() {}, onStreamsAllowed() {}, onExhausted() {}, onClose() {} });
  await using quic = await Http3Origin.open(() => {}, silent, tcp.port);
  await translated(tcp, '1.1');
  assert.equal(quic.connections.length, 1, 'it was asked over HTTP/3 first');
});

test('a WebSocket of HTTP/3 opens one of HTTP/1.1 where HTTP/3 is spoken without SETTINGS', async () => {
  await using tcp = await origin(['http/1.1']);
  await using quic = await Http3Origin.open(() => {}, (connection) => connection.attach({ onStream: (stream) => stream.attach({ onData() {}, onEnd() {}, onReset() {}, onStopSending() {}, onDrain() {} }), onStreamsAllowed() {}, onClose() {} }), tcp.port);
  await translated(tcp, '1.1');
  assert.equal(quic.connections.length, 1, 'it was asked over HTTP/3 first');
});

test('a WebSocket of HTTP/3 goes with many others to an origin of HTTP/1.1', async () => {
  await using server = await origin(['http/1.1']);
  await using stage = await Stage.open({ 'api.test': server });
  const client = await http3Client(stage, await listenHttp3(stage));
  const tunnels = await Promise.all(Array.from({ length: 40 }, () => joined(client)));
  assert.equal(server.sockets.size, 40);
  for (const tunnel of tunnels) tunnel.end(BYE.client).resume();
  await stage.recorded(40);
  assert.deepEqual([...new Set(stage.records.map(({ kind, outcome }) => `${kind} ${outcome}`))], ['websocket completed']);
  client.destroy();
});
