/** Servers that abuse HTTP/2: the flow fails, with a record, and the proxy goes on in bounded memory. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { END_HEADERS, END_STREAM, FRAME, FrameReader, PREFACE, fields, frame, uint32 } from '../../stage/frames.ts';
import { Origin } from '../../stage/origin.ts';
import { Wire, until } from '../../stage/wire.ts';

const GROWTH = 64 * 1024 * 1024;
const OK: [string, string][] = [[':status', '200']];
const PUSH_PROMISE = 5;

interface Scene {
  readonly stream: ClientHttp2Stream;
  readonly stage: Stage;
  /** What the client saw. */
  readonly saw: { informational: number; status: number | null };
}

/** @param speak what the server says to the first request. */
async function scene(speak: (server: Socket) => void | Promise<void>, act: (scene: Scene) => Promise<void>): Promise<void> {
  await using origin = await Origin.rawTls(
    (socket) => {
      socket.write(frame(FRAME.settings, 0, 0));
      const wire = new Wire(socket);
      const asked = async (): Promise<void> => {
        await wire.takeBytes(PREFACE.length);
        await new FrameReader(wire).until(FRAME.headers);
        await speak(socket);
      };
      asked().catch(() => {});
    },
    { ALPNProtocols: ['h2'] },
  );
  await using stage = await Stage.open({ 'api.test': origin });
  const session = await stage.h2('api.test');
  const before = process.memoryUsage().rss;
  const stream = session.request({ ':path': '/', ':authority': 'api.test' });
  const saw: Scene['saw'] = { informational: 0, status: null };
  stream.on('error', () => {});
  stream.on('headers', () => saw.informational++);
  stream.on('response', (headers) => (saw.status = Number(headers[':status'])));
  stream.resume();
  await act({ stream, stage, saw });
  assert.ok(process.memoryUsage().rss - before < GROWTH, 'memory');
  session.destroy();
}

/** Writes until the proxy ends the connection. */
async function flood(server: Socket, chunk: Buffer, rounds: number): Promise<void> {
  for (let round = 0; round < rounds && !server.destroyed; round++) if (!server.write(chunk)) await Promise.race([once(server, 'drain'), once(server, 'close')]).catch(() => {});
}

async function fails({ stage, saw, stream }: Scene): Promise<void> {
  await until('the end', () => stream.closed);
  const record = await stage.record();
  assert.deepEqual([record.outcome, record.error!.code, saw.status === 200 ? 502 : saw.status], ['failed', 'upstream_aborted', 502]);
}

describe('an upstream that', () => {
  test('never ends its header list', () => scene(async (server) => {
    server.write(frame(FRAME.headers, 0, 1, fields(OK)));
    await flood(server, frame(FRAME.continuation, 0, 1, fields([['x', 'y'.repeat(10_000)]])), 10_000);
  }, fails));

  test('sends PING without end', () => scene((server) => flood(server, Buffer.concat(Array.from({ length: 2000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)))), 1000), fails));

  test('sends SETTINGS without end', () => scene((server) => flood(server, Buffer.concat(Array.from({ length: 2000 }, () => frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.from([0, 3]), uint32(100)])))), 1000), fails));

  test('sends a header list that is larger uncompressed than it may be', () => scene((server) => {
    const insert = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('x'), Buffer.from([0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 'b')]);
    server.write(frame(FRAME.headers, END_STREAM | END_HEADERS, 1, Buffer.concat([Buffer.from([0x88]), insert, Buffer.alloc(10_000, 0x80 | 62)])));
  }, fails));

  test('pushes, though it was told not to', () => scene((server) => void server.write(frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), fields([[':method', 'GET'], [':scheme', 'https'], [':authority', 'api.test'], [':path', '/p']])]))), fails));

  test('sends more than its window', () => scene(async (server) => {
    server.write(frame(FRAME.headers, END_HEADERS, 1, fields(OK)));
    for (let left = 40; left > 0; left--) server.write(Buffer.concat(Array.from({ length: 16 }, () => frame(FRAME.data, 0, 1, Buffer.alloc(16_384)))));
  }, async (scene) => {
    scene.stream.pause();
    await until('the record', () => scene.stage.records.length > 0);
    assert.equal(scene.stage.records[0]!.outcome, 'failed');
  }));

  test('never stops informing: what the record has of it is bounded', () => scene((server) => {
    for (let count = 0; count < 1000; count++) server.write(frame(FRAME.headers, END_HEADERS, 1, fields([[':status', '103'], ['x-n', String(count)]])));
    server.write(frame(FRAME.headers, END_HEADERS | END_STREAM, 1, fields(OK)));
  }, async ({ stage, saw, stream }) => {
    await until('the end', () => stream.closed);
    const { outcome, response } = await stage.record();
    assert.deepEqual([outcome, saw.status, saw.informational, response!.informational.length], ['completed', 200, 1000, 100]);
  }));
});
