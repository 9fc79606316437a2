/** WebSockets of real peers (`ws`) through a capture: what passes, and what its record has. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { WebSocket, WebSocketServer, type ServerOptions } from 'ws';
import type { FlowMessage, FlowRecord } from '../../../core/index.ts';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { soon, until } from '../../stage/wire.ts';
import { clientFrame, frameOf } from './frame-bytes.ts';

/** A server that does what `serve` says with each connection. */
async function between(server: ServerOptions, serve: (socket: WebSocket) => void, act: (connect: (options?: object) => Promise<WebSocket>, stage: Stage) => Promise<void>, options: StageOptions = {}): Promise<void> {
  const http: Server = createServer();
  new WebSocketServer({ server: http, ...server }).on('connection', (socket) => serve(socket));
  await using origin = await Origin.listen(http);
  await using stage = await Stage.open({ 'api.test': origin }, options);
  await act(async (more = {}) => {
    const socket = await stage.tunnel('api.test');
    const client = new WebSocket('ws://api.test/chat?x=1', ['chat', 'other'], { createConnection: () => socket, ...more });
    client.on('error', () => {});
    await soon('the handshake', once(client, 'open'));
    return client;
  }, stage);
}

const echo = (socket: WebSocket): void => void socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));

/** The next messages, as they came. */
async function receive(client: WebSocket, count: number): Promise<string[]> {
  const got: string[] = [];
  const all = new Promise<void>((resolve) => client.on('message', (data: Buffer) => got.push(data.toString()) === count && resolve()));
  await soon(`${count} messages`, all);
  client.removeAllListeners('message');
  return got;
}

/** The connection under a client. */
const socketOf = (client: WebSocket): Socket => (client as unknown as { _socket: Socket })._socket;

const brief = (record: FlowRecord): string[] => record.websocket!.messages.map(({ from, opcode, compressed, size, data }) => `${from} ${opcode}${compressed ? ' compressed' : ''} ${size} ${data}`);

test('text, binary, fragments, pings and the close are listed, and the handshake is the flow', () =>
  between({}, echo, async (connect, stage) => {
    const client = await connect();
    const answers = receive(client, 3);
    client.send('hello');
    client.send(Buffer.from([0, 255]));
    client.send('frag', { fin: false });
    client.ping('still there?');
    client.send('ments', { fin: true });
    assert.deepEqual(await answers, ['hello', '\0\ufffd', 'fragments']);
    client.close(4001, 'enough');
    await once(client, 'close');
    const record = await stage.record();
    assert.deepEqual([record.kind, record.outcome, record.request?.method, record.request?.url, record.response?.status], ['websocket', 'completed', 'GET', 'http://api.test/chat?x=1', 101]);
    const { websocket } = record;
    const said = brief(record);
    assert.deepEqual(said.filter((line) => line.startsWith('client')), ['client text 5 hello', 'client binary 2 AP8=', 'client ping 12 still there?', 'client text 9 fragments', `client close 8 ${Buffer.from('\x0f\xa1enough', 'latin1').toString('base64')}`]);
    assert.deepEqual(said.filter((line) => line.startsWith('server')), ['server text 5 hello', 'server binary 2 AP8=', 'server pong 12 still there?', 'server text 9 fragments', `server close 8 ${Buffer.from('\x0f\xa1enough', 'latin1').toString('base64')}`]);
    assert.deepEqual(websocket!.message_count, { up: 5, down: 5 });
    assert.deepEqual([websocket!.subprotocol, websocket!.extensions, websocket!.fault, websocket!.messages_truncated], ['chat', null, null, false]);
    assert.deepEqual(websocket!.close, { code: 4001, reason: 'enough', from: 'client' });
    assert.ok(websocket!.messages.every(({ at }, i, all) => at > 0 && (i === 0 || at >= all[i - 1]!.at)));
    // Each frame of the client has two bytes and a mask, a fragment a frame of its own.
    assert.deepEqual(record.bytes, { up: 6 * 6 + 5 + 2 + 12 + 9 + 8, down: 5 * 2 + 5 + 2 + 12 + 9 + 8 });
  }));

for (const [what, deflate] of [
  ['with context takeover', { threshold: 0 }],
  ['without it', { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true }],
  ['with small windows', { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 10 }],
] as const) {
  test(`compressed messages are shown as they were, ${what}`, () =>
    between({ perMessageDeflate: deflate }, echo, async (connect, stage) => {
      const client = await connect({ perMessageDeflate: { threshold: 0 } });
      assert.match(client.extensions, /^permessage-deflate/);
      const texts = ['hello hello hello', '', 'x'.repeat(200_000), 'hello hello hello'];
      const answers = receive(client, 4);
      for (const text of texts) client.send(text);
      client.send('plain', { compress: false });
      const got = await answers;
      assert.ok(texts.every((text, i) => got[i] === text), 'what passes is what was sent');
      client.close(1000);
      await once(client, 'close');
      const record = await stage.record();
      for (const from of ['client', 'server'] as const) {
        const own = record.websocket!.messages.filter((message) => message.from === from && message.opcode === 'text');
        assert.deepEqual(own.slice(0, 4).map(({ data }) => data?.length ?? 0), texts.map(({ length }) => length));
        assert.deepEqual([own[0]!.data, own[1]!.data, own[3]!.data], [texts[0], null, texts[3]]);
        assert.ok(own[2]!.data === texts[2]);
        assert.deepEqual(own.slice(0, 4).map(({ size }) => size), texts.map(({ length }) => length));
        assert.ok(own[0]!.compressed && own[2]!.compressed);
      }
      assert.equal(record.websocket!.messages.find(({ data }) => data === 'plain')?.compressed, false);
      assert.equal(record.websocket!.fault, null);
      assert.match(record.websocket!.extensions!, /^permessage-deflate/);
      assert.ok(record.bytes.up < 5000, `${record.bytes.up} bytes on the wire`);
    }));
}

test('a message beyond the limit lies in a file, whole, also where it came compressed', () =>
  between({ perMessageDeflate: true }, () => {}, async (connect, stage) => {
    const client = await connect({ perMessageDeflate: { threshold: 0 } });
    const long = 'abcdefgh'.repeat(50_000);
    client.send(long);
    client.send(long, { compress: false });
    client.close(1000);
    await once(client, 'close');
    const { messages } = (await stage.record()).websocket!;
    for (const [i, compressed] of [true, false].entries()) {
      const { size, data, data_truncated, data_file } = messages[i]!;
      assert.deepEqual([messages[i]!.compressed, size, data, data_truncated], [compressed, 400_000, long.slice(0, 1000), true]);
      assert.equal(readFileSync(join(stage.directory, data_file!), 'utf8'), long);
    }
  }, { bodies: { limit: 1000 } }));

test('presets that keep no bodies keep no data of messages, and no reason of the close', () =>
  between({ perMessageDeflate: true }, echo, async (connect, stage) => {
    const client = await connect({ perMessageDeflate: { threshold: 10 } });
    const answers = receive(client, 2);
    client.send('secret');
    client.send('long secret, long secret, long secret');
    client.ping('secret');
    await answers;
    client.close(1000, 'secret');
    await once(client, 'close');
    const record = await stage.record();
    assert.ok(!JSON.stringify(record).includes('secret') && !JSON.stringify(record).includes(Buffer.from('secret').toString('base64')));
    assert.deepEqual(record.websocket!.messages.map(({ size, data, data_truncated }) => [size > 0, data, data_truncated]), record.websocket!.messages.map(() => [true, null, true]));
    assert.ok(record.websocket!.messages.some(({ size, compressed }) => compressed && size === 37));
    assert.deepEqual(record.websocket!.close, { code: 1000, reason: '', from: 'client' });
  }, { bodies: { keep: 'none' } }));

test('plugins observe messages, also where nothing is recorded; one that fails fails alone', async () => {
  const seen: string[] = [];
  const note = ({ from, kind, size, data }: FlowMessage): void => void seen.push(`${from} ${kind} ${size} ${data && Buffer.from(data).toString().slice(0, 10)}`);
  await between({ perMessageDeflate: true }, echo, async (connect, stage) => {
    const client = await connect({ perMessageDeflate: { threshold: 0 } });
    const answers = receive(client, 2);
    client.send('hello');
    client.send('x'.repeat(2000));
    await answers;
    client.close(1000);
    await once(client, 'close');
    await stage.record();
    assert.deepEqual(seen.sort(), ['client websocket 2000 null', 'client websocket 5 hello', 'server websocket 2000 null', 'server websocket 5 hello']);
    assert.deepEqual(new Set(stage.failures), new Set(['test observe: not mine']));
  }, {
    bodies: { limit: 1000 },
    tap: (hooks) => {
      hooks.onRequest.tap('fails', (flow) => flow.observeMessages(() => { throw new Error('not mine'); }));
      hooks.onResponse.tap('sees', (flow) => flow.observeMessages(note));
    },
  });
});

test('a WebSocket that is cut off is recorded with the messages so far, a broken one among them', () =>
  between({}, () => {}, async (connect, stage) => {
    const client = await connect();
    client.send('whole');
    client.send('half a mess', { fin: false });
    await new Promise((resolve) => client.ping('now', undefined, resolve));
    await once(client, 'pong');
    socketOf(client).resetAndDestroy();
    const record = await stage.record();
    assert.equal(record.outcome, 'aborted');
    assert.deepEqual(record.websocket!.messages.filter(({ from, opcode }) => from === 'client' && opcode === 'text').map(({ data, data_truncated }) => [data, data_truncated]), [['whole', false], ['half a mess', true]]);
    assert.equal(record.websocket!.close, null);
  }));

test('when the capture ends in its midst, there is one record with the messages so far', () =>
  between({ perMessageDeflate: true }, echo, async (connect, stage) => {
    const client = await connect({ perMessageDeflate: { threshold: 0 } });
    const answers = receive(client, 1);
    client.send('hello');
    await answers;
    await stage.capture.close();
    const record = await stage.record();
    assert.deepEqual([record.outcome, record.error?.code], ['aborted', 'shutting_down']);
    assert.deepEqual(brief(record), ['client text compressed 5 hello', 'server text compressed 5 hello']);
  }));

test('a breach of the protocol is noted, its bytes pass, and the other direction is read on', async () => {
  const arrivals = new Arrivals();
  await using origin = await Origin.raw(arrivals.add);
  await using stage = await Stage.open({ 'api.test': origin });
  const client = await stage.wire('api.test');
  client.write('GET /chat HTTP/1.1\r\nHost: api.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n');
  const upstream = await arrivals.next();
  await upstream.take('\r\n\r\n');
  upstream.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  await client.take('\r\n\r\n');
  const wrong = Buffer.concat([frameOf({ opcode: 1, payload: 'fine' }), frameOf({ opcode: 1, payload: 'half', fin: false }), frameOf({ opcode: 3, payload: 'what?' }), frameOf({ opcode: 1, payload: 'unread' })]);
  upstream.write(wrong);
  assert.equal(await client.takeBytes(wrong.length), wrong.toString('latin1'));
  client.write(clientFrame({ opcode: 1, payload: 'still read' }));
  await upstream.takeBytes(16);
  client.socket.end();
  await until('the end upstream', () => upstream.ended);
  upstream.socket.end();
  const record = await stage.record();
  assert.equal(record.websocket!.fault, 'server: the opcode 3 is reserved');
  assert.deepEqual(brief(record), ['server text 4 fine', 'server text 4 half', 'client text 10 still read']);
  assert.deepEqual(record.websocket!.messages.map(({ data_truncated }) => data_truncated), [false, true, false]);
  assert.deepEqual(record.bytes, { up: 16, down: wrong.length });
});
