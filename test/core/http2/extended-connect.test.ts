/** WebSockets in streams of HTTP/2 (RFC 8441), and between the versions. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { constants, createSecureServer, performServerHandshake, type ClientHttp2Session, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2';
import { describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import type { FlowRecord } from '../../../core/index.ts';
import { cancelStream } from '../../../core/http2/reset.ts';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Origin, originCA } from '../../stage/origin.ts';
import { soon, until, Wire } from '../../stage/wire.ts';
import { clientFrame, frameOf } from '../websocket/frame-bytes.ts';
import { ask } from './ask.ts';

const UPGRADE = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': '/chat', ':authority': 'api.test', 'sec-websocket-version': '13' };

/** An origin that takes extended CONNECT, or says that it does not. */
function origin(onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void, enableConnectProtocol = true): Promise<Origin> {
  const server = createSecureServer({ ...originCA.options(), settings: { enableConnectProtocol } });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    onStream(stream as ServerHttp2Stream, headers);
  });
  return Origin.listen(server as never);
}

/** Echoes one message and closes. */
function chat(stream: ServerHttp2Stream, headers: Record<string, unknown>): void {
  if (headers[':protocol'] !== 'websocket') return stream.respond({ ':status': 200 }, { endStream: true });
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
  stream.once('data', () => {
    stream.write(frameOf({ opcode: 1, payload: 'hello' }));
    stream.end(frameOf({ opcode: 8, payload: Buffer.from([3, 232]) }));
  });
}

async function offered(session: ClientHttp2Session): Promise<void> {
  await until('the offer of extended CONNECT', () => session.remoteSettings.enableConnectProtocol === true);
}

async function open(session: ClientHttp2Session, headers: object = UPGRADE): Promise<{ status: number; stream: ClientHttp2Stream; wire: Wire }> {
  const stream = session.request(headers as never, { endStream: false });
  const [answer] = (await soon('the answer', once(stream, 'response'))) as [Record<string, unknown>];
  return { status: Number(answer[':status']), stream, wire: new Wire(stream) };
}

async function between(server: Origin, act: (session: ClientHttp2Session, stage: Stage) => Promise<void>, options: StageOptions = {}): Promise<void> {
  await using _server = server;
  await using stage = await Stage.open({ 'api.test': server }, options);
  const session = await stage.h2('api.test');
  await act(session, stage);
  session.destroy();
}

const heard = (record: FlowRecord): string[] => record.websocket!.messages.map(({ from, opcode, data }) => `${from} ${opcode} ${data}`);

describe('extended CONNECT', () => {
  test('is offered where the upstream takes it, and joins two streams', async () =>
    between(await origin(chat), async (session, stage) => {
      await offered(session);
      const { status, wire } = await open(session);
      assert.equal(status, 200);
      wire.socket.write(clientFrame({ opcode: 1, payload: 'hi' }));
      wire.socket.end(clientFrame({ opcode: 8, payload: Buffer.from([3, 232]) }));
      assert.equal(await wire.takeAll(), '\x81\x05hello\x88\x02\x03\xe8');
      const record = await stage.record();
      assert.deepEqual([record.kind, record.outcome, record.request?.method, record.request?.url, record.response?.status], ['websocket', 'completed', 'CONNECT', 'https://api.test/chat', 200]);
      assert.deepEqual([record.http_version, record.upstream?.http_version, record.websocket?.subprotocol, record.websocket?.close?.code], ['2', '2', 'chat', 1000]);
      assert.deepEqual(heard(record).sort(), ['client close A+g=', 'client text hi', 'server close A+g=', 'server text hello']);
      assert.deepEqual(record.bytes, { up: 8 + 8, down: 7 + 4 });
    }));

  test('is not offered where the upstream does not take it', async () =>
    between(await origin(chat, false), async (session) => {
      assert.equal((await ask(session, { ':path': '/' })).status, 200);
      assert.notEqual(session.remoteSettings.enableConnectProtocol, true);
    }));

  test('serves no protocol that leads past the decision on the destination', async () =>
    between(await origin(() => assert.fail('it came to the upstream')), async (session, stage) => {
      await offered(session);
      assert.equal((await open(session, { ...UPGRADE, ':protocol': 'connect-udp' })).status, 501);
      assert.equal((await stage.record()).error?.code, 'upgrade_unsupported');
    }));

  test('is remembered with what the upstream chose', async () =>
    between(await origin(chat), async (session, stage) => {
      await offered(session);
      const second = await stage.h2('api.test');
      // Nothing has been dialled for it yet.
      await offered(second);
      assert.equal((await open(second)).status, 200);
      second.destroy();
    }));

  test('that the upstream declines is an exchange like any other, and both streams are over', async () => {
    const streams: ServerHttp2Stream[] = [];
    const refuse = (stream: ServerHttp2Stream): void => {
      streams.push(stream);
      stream.respond({ ':status': 403 });
      stream.end('no');
    };
    await between(await origin(refuse), async (session, stage) => {
      await offered(session);
      const { status, stream, wire } = await open(session);
      assert.deepEqual([status, await wire.takeAll()], [403, 'no']);
      await until('the ends of both streams', () => stream.closed && streams[0]!.closed);
      const record = await stage.record();
      assert.deepEqual([record.kind, record.outcome, record.response?.status, record.response?.body], ['http', 'completed', 403, 'no']);
    });
  });

  test('that a rule denies is a 403 and one violation, and nothing of it goes upstream', async () => {
    let streams = 0;
    await between(await origin(() => streams++), async (session, stage) => {
      await offered(session);
      assert.equal((await open(session)).status, 403);
      const record = await stage.record();
      assert.deepEqual([record.outcome, record.violation?.rule, streams], ['denied', 'no chats', 0]);
    }, { tap: (hooks) => hooks.onRequest.tap('rule', () => ({ action: 'deny', rule: 'no chats' })) });
  });

  for (const side of ['client', 'server'] as const) {
    test(`is over for the other side when the ${side} resets its stream`, async () => {
      const streams: ServerHttp2Stream[] = [];
      await between(await origin((stream) => { streams.push(stream); stream.respond({ ':status': 200 }); }), async (session, stage) => {
        await offered(session);
        const { stream, wire } = await open(session);
        wire.socket.write(clientFrame({ opcode: 1, payload: 'hi' }));
        await until('the stream', () => streams.length === 1);
        await soon('the message', once(streams[0]!, 'data'));
        cancelStream(side === 'client' ? stream : streams[0]!);
        const other = side === 'client' ? streams[0]! : stream;
        await until('the end', () => other.closed);
        assert.notEqual(other.rstCode, constants.NGHTTP2_NO_ERROR);
        const record = await stage.record();
        assert.deepEqual([record.outcome, heard(record)], [side === 'client' ? 'aborted' : 'failed', ['client text hi']]);
      });
    });
  }

  test('holds back who sends faster than the other reads', async () => {
    const streams: ServerHttp2Stream[] = [];
    await between(await origin((stream) => { streams.push(stream); stream.respond({ ':status': 200 }); }), async (session) => {
      await offered(session);
      const { stream } = await open(session);
      stream.pause();
      const frame = frameOf({ opcode: 2, payload: Buffer.alloc(256 * 1024) });
      let sent = 0;
      for (let still = 0; still < 20 && sent < 64 * 1024 * 1024; still++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        while (sent < 64 * 1024 * 1024 && !streams[0]!.writableNeedDrain) {
          streams[0]!.write(frame);
          sent += frame.length;
          still = 0;
        }
      }
      assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes went to a client that reads none`);
    });
  });
});

describe('a WebSocket between the versions', () => {
  test('of a client of HTTP/2 opens one of HTTP/1.1', async () => {
    const http = createHttpServer((_request, response) => response.end('ok'));
    new WebSocketServer({ server: http, handleProtocols: () => 'chat' }).on('connection', (socket) => socket.on('message', (data) => socket.send(`you said ${String(data)}`)));
    await using server = await Origin.fickle('h2', (socket) => http.emit('connection', socket));
    await using stage = await Stage.open({ 'api.test': server });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    const session = await stage.h2('api.test');
    assert.equal((await ask(session, { ':path': '/' })).body, 'ok');
    await offered(session);
    const { status, wire } = await open(session, { ...UPGRADE, 'sec-websocket-protocol': 'chat' });
    assert.equal(status, 200);
    wire.socket.write(clientFrame({ opcode: 1, payload: 'hi' }));
    await wire.take('you said hi');
    wire.socket.write(clientFrame({ opcode: 8, payload: Buffer.from([3, 232]) }));
    await wire.takeAll();
    wire.socket.end();
    const record = (await stage.recorded(3))[2]!;
    assert.deepEqual([record.kind, record.http_version, record.upstream?.http_version, record.request?.method, record.response?.status, record.outcome], ['websocket', '2', '1.1', 'CONNECT', 101, 'completed']);
    assert.equal(record.websocket?.subprotocol, 'chat');
    session.destroy();
  });

  test('is refused where the answer does not fit the key that we sent', async () => {
    await using server = await Origin.fickle('h2', (socket) => socket.on('data', (chunk: Buffer) => {
      if (chunk.includes('GET / ')) socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      else socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n');
    }));
    await using stage = await Stage.open({ 'api.test': server });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    const session = await stage.h2('api.test');
    await ask(session, { ':path': '/' });
    await offered(session);
    assert.equal((await open(session)).status, 502);
    assert.match((await stage.recorded(3))[2]!.error!.message, /Sec-WebSocket-Accept/);
    session.destroy();
  });

  test('of a client of HTTP/1.1 opens one in a stream of HTTP/2', async () => {
    await using server = await Origin.fickle('http/1.1', (socket) => {
      const session = performServerHandshake(socket, { settings: { enableConnectProtocol: true } });
      session.on('stream', (stream, headers) => chat(stream as ServerHttp2Stream, headers));
    });
    await using stage = await Stage.open({ 'api.test': server });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2', 'http/1.1'] });
    client.write('GET /chat HTTP/1.1\r\nHost: api.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n');
    const head = await client.take('\r\n\r\n');
    assert.match(head, /^HTTP\/1.1 101 Switching Protocols\r\n/);
    assert.match(head, /Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
    client.write(clientFrame({ opcode: 1, payload: 'hi' }));
    assert.equal(await client.takeBytes(11), '\x81\x05hello\x88\x02\x03\xe8');
    client.socket.end(clientFrame({ opcode: 8, payload: Buffer.from([3, 232]) }));
    const record = (await stage.recorded(2))[1]!;
    assert.deepEqual([record.kind, record.http_version, record.upstream?.http_version, record.response?.status, record.outcome], ['websocket', '1.1', '2', 200, 'completed']);
  });

  test('is opened by an upgrade where the upstream has changed its mind, and speaks HTTP/2 without such streams', async () => {
    let connections = 0;
    const ALPNCallback = ({ protocols }: { protocols: string[] }): string => (connections++ > 0 && protocols.includes('h2') ? 'h2' : 'http/1.1');
    const http = createHttpServer();
    new WebSocketServer({ server: http }).on('connection', (socket) => socket.on('message', () => socket.send('hello')));
    await using server = await Origin.rawTls((socket) => {
      if (connections === 1) return void socket.end();
      if ((socket as TLSSocket).alpnProtocol === 'h2') performServerHandshake(socket, {}).on('stream', () => assert.fail('it takes no extended CONNECT'));
      else http.emit('connection', socket);
    }, { ALPNProtocols: undefined as never, ALPNCallback });
    await using stage = await Stage.open({ 'api.test': server });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2', 'http/1.1'] });
    client.write('GET /chat HTTP/1.1\r\nHost: api.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n');
    await client.take('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n');
    client.write(clientFrame({ opcode: 1, payload: 'hi' }));
    await client.take('hello');
    client.socket.end(clientFrame({ opcode: 8, payload: Buffer.from([3, 232]) }));
    const record = (await stage.recorded(2))[1]!;
    assert.deepEqual([record.kind, record.http_version, record.upstream?.http_version, record.response?.status, record.outcome], ['websocket', '1.1', '1.1', 101, 'completed']);
    assert.equal(connections, 3);
  });
});
