/** Clients that abuse HTTP/2: their connection ends and the proxy does not, in bounded memory, with one record for each flow that had begun. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { END_HEADERS, END_STREAM, FRAME, PREFACE, fields, frame, uint32 } from '../../stage/frames.ts';
import { Origin } from '../../stage/origin.ts';
import { soon, until, type Wire } from '../../stage/wire.ts';

/** Bytes of resident memory that an abuse may cost. */
const GROWTH = 64 * 1024 * 1024;
const OPENING = Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]);
const GET: [string, string][] = [[':method', 'GET'], [':scheme', 'https'], [':authority', 'api.test'], [':path', '/']];
const request = (id: number, pairs = GET): Buffer => frame(FRAME.headers, END_STREAM | END_HEADERS, id, fields(pairs));

interface Scene {
  readonly client: Wire;
  readonly stage: Stage;
  /** Requests that reached the origin. */
  readonly streams: ServerHttp2Stream[];
}

/** Another client is served afterwards, and nothing has grown. */
async function scene(act: (scene: Scene) => Promise<void>): Promise<void> {
  const streams: ServerHttp2Stream[] = [];
  await using origin = await Origin.h2((stream, headers) => {
    streams.push(stream);
    if (headers[':path'] === '/after') stream.respond({ ':status': 200 }, { endStream: true });
  });
  await using stage = await Stage.open({ 'api.test': origin });
  const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2'] });
  client.write(OPENING);
  const before = process.memoryUsage().rss;
  await act({ client, stage, streams });
  assert.ok(process.memoryUsage().rss - before < GROWTH, `${((process.memoryUsage().rss - before) / 1024 / 1024).toFixed(0)} MiB more`);
  await client.close();
  const session = await stage.h2('api.test');
  const [head] = await soon('an answer to another client', once(session.request({ ':path': '/after', ':authority': 'api.test' }).resume(), 'response'));
  assert.equal(head[':status'], 200);
  session.destroy();
  await until('each flow has its record', () => stage.records.filter(({ kind }) => kind === 'http').length >= streams.length);
  const ids = stage.records.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
}

/** Writes until the connection ends, as fast as it is taken. */
async function flood({ client }: Scene, chunk: (round: number) => Buffer, rounds: number): Promise<void> {
  for (let round = 0; round < rounds && !client.ended; round++) {
    if (!client.socket.write(chunk(round))) await Promise.race([once(client.socket, 'drain'), once(client.socket, 'close')]).catch(() => {});
  }
  await until('the end of the connection', () => client.ended);
}

describe('HTTP/2 ends the connection of a client that', () => {
  test('opens and resets streams in rapid succession (CVE-2023-44487)', () =>
    scene(async (scene) => {
      await flood(scene, (round) => Buffer.concat(Array.from({ length: 100 }, (_, at) => 1 + 2 * (100 * round + at)).flatMap((id) => [request(id), frame(FRAME.reset, 0, id, uint32(8))])), 100);
      const { stage } = scene;
      await until('every flow is over', () => stage.records.length > 0);
      assert.ok(stage.records.every(({ outcome }) => outcome === 'aborted'));
      assert.ok(stage.records.length < 5000, `${stage.records.length} flows`);
    }));

  test('has it reset its streams (CVE-2025-8671)', () =>
    scene(async (scene) => {
      // A window of zero more on a stream is an error of the stream, for which it is reset by us.
      await flood(scene, (round) => Buffer.concat(Array.from({ length: 100 }, (_, at) => 1 + 2 * (100 * round + at)).flatMap((id) => [request(id), frame(FRAME.windowUpdate, 0, id, uint32(0))])), 100);
    }));

  test('never ends its header list, frame after frame (CONTINUATION flood)', () =>
    scene(async (scene) => {
      scene.client.write(frame(FRAME.headers, END_STREAM, 1, fields(GET)));
      await flood(scene, (round) => frame(FRAME.continuation, 0, 1, fields([[`x-${round}`, 'y'.repeat(10_000)]])), 10_000);
      assert.equal(scene.streams.length, 0);
    }));

  test('never ends its header list, in empty frames', () =>
    scene(async (scene) => {
      scene.client.write(frame(FRAME.headers, END_STREAM, 1, fields(GET)));
      await flood(scene, () => Buffer.concat(Array.from({ length: 100 }, () => frame(FRAME.continuation, 0, 1))), 10_000);
    }));

  test('sends SETTINGS without end', () =>
    scene(async (scene) => {
      scene.client.write(request(1));
      const settings = Buffer.concat(Array.from({ length: 1000 }, () => frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.from([0, 3]), uint32(100)]))));
      await flood(scene, () => settings, 1000);
      assert.equal((await scene.stage.recorded(1))[0]!.outcome, 'aborted');
    }));

  test('sends PING without end', () =>
    scene(async (scene) => {
      scene.client.write(request(1));
      const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
      await flood(scene, () => pings, 1000);
      assert.equal((await scene.stage.recorded(1))[0]!.outcome, 'aborted');
    }));

  test('asks and never reads: what waits for it is bounded', () =>
    scene(async (scene) => {
      scene.client.socket.pause();
      const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
      for (let round = 0; round < 2000 && !scene.client.socket.destroyed; round++) {
        if (!scene.client.socket.write(pings)) await Promise.race([once(scene.client.socket, 'drain'), once(scene.client.socket, 'close'), new Promise((resolve) => setTimeout(resolve, 100))]).catch(() => {});
      }
    }));
});

describe('HTTP/2 refuses', () => {
  test('a header list that is larger uncompressed than it may be (HPACK bomb)', () =>
    scene(async ({ client, streams, stage }) => {
      // One field of 4000 bytes into the table, then 16,000 references to it: 64 MB in 16 KB.
      const value = 'b'.repeat(4000);
      const length = [0x7f, ...[(4000 - 127) & 0x7f | 0x80, (4000 - 127) >> 7]];
      const insert = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('x'), Buffer.from(length), Buffer.from(value)]);
      for (let id = 1; id < 41 && !client.ended; id += 2) {
        const block = Buffer.concat([fields(GET), id === 1 ? insert : Buffer.alloc(0), Buffer.alloc(10_000, 0x80 | 62)]);
        client.write(frame(FRAME.headers, END_STREAM | END_HEADERS, id, block));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.equal(streams.length, 0);
      assert.ok(stage.records.length <= 20);
    }));

  test('more streams at a time than it offers', () =>
    scene(async ({ client, streams, stage }) => {
      client.write(Buffer.concat(Array.from({ length: 1000 }, (_, at) => request(1 + 2 * at))));
      await until('all that it takes', () => streams.length >= 256 || client.ended);
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.ok(streams.length <= 256, `${streams.length}`);
      assert.ok(stage.records.length <= 256);
    }));
});
