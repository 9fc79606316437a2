/** How flows over HTTP/2 end: reset by either side, with the connection, or not at all as asked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, type ClientHttp2Session, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { soon, until } from '../../stage/wire.ts';

interface Scene {
  readonly session: ClientHttp2Session;
  readonly stage: Stage;
  readonly origin: Origin;
  /** Streams in the order in which they reached the origin. */
  readonly streams: ServerHttp2Stream[];
}

async function scene(act: (scene: Scene) => Promise<void>, options: StageOptions = {}): Promise<void> {
  const streams: ServerHttp2Stream[] = [];
  await using origin = await Origin.h2((stream) => void streams.push(stream));
  await using stage = await Stage.open({ 'api.test': origin }, options);
  const session = await stage.h2('api.test');
  await act({ session, stage, origin, streams });
  session.destroy();
}

const at = (streams: readonly ServerHttp2Stream[], count: number): Promise<void> => until(`${count} streams at the origin`, () => streams.length >= count);
const GET = { ':path': '/', ':authority': 'api.test' };
const POST = { ...GET, ':method': 'POST' };

/** `close` would send the end of the stream before the reset. */
function cancel(stream: ClientHttp2Stream): void {
  stream.destroy(new DOMException('given up', 'AbortError'));
}

async function resetCode(stream: ClientHttp2Stream): Promise<number> {
  stream.on('error', () => {});
  stream.resume();
  await until('the end of the stream', () => stream.destroyed);
  return stream.rstCode ?? -1;
}

describe('a stream that the client resets', () => {
  test('before the answer is reset upstream', () =>
    scene(async ({ session, stage, streams }) => {
      const stream = session.request(GET);
      stream.on('error', () => {});
      await at(streams, 1);
      cancel(stream);
      await until('the reset upstream', () => streams[0]!.closed);
      assert.equal(streams[0]!.rstCode, constants.NGHTTP2_INTERNAL_ERROR, 'what the client has said');
      const record = await stage.record();
      assert.equal(record.outcome, 'aborted');
      assert.equal(record.error?.code, 'client_aborted');
    }));

  test('in the middle of its request never looks whole upstream', () =>
    scene(async ({ session, stage, streams }) => {
      const stream = session.request(POST);
      stream.on('error', () => {});
      stream.write('part');
      await at(streams, 1);
      let ended = false;
      let body = '';
      streams[0]!.on('data', (chunk) => (body += chunk)).on('end', () => (ended = !streams[0]!.aborted && streams[0]!.rstCode === 0));
      await until('the part', () => body === 'part');
      cancel(stream);
      await until('the reset upstream', () => streams[0]!.closed);
      assert.equal(ended, false);
      const record = await stage.record();
      assert.equal(record.outcome, 'aborted');
      assert.equal(record.request?.body, 'part');
    }));

  test('in the middle of the answer is reset upstream', () =>
    scene(async ({ session, stage, streams }) => {
      const stream = session.request(GET);
      stream.on('error', () => {});
      await at(streams, 1);
      streams[0]!.respond({ ':status': 200 });
      streams[0]!.write('part');
      await soon('the part', once(stream, 'data'));
      cancel(stream);
      await until('the reset upstream', () => streams[0]!.closed);
      assert.equal((await stage.record()).response?.body, 'part');
    }));

  test('while a plugin still decides is not forwarded', () => {
    let decide: () => void = () => {};
    return scene(
      async ({ session, stage, streams }) => {
        const stream = session.request(GET);
        stream.on('error', () => {});
        await sleep(50);
        cancel(stream);
        await sleep(30);
        decide();
        const record = await stage.record();
        assert.equal(record.outcome, 'aborted');
        assert.equal(streams.length, 0);
      },
      { tap: (hooks) => hooks.onRequest.tapPromise('test', () => new Promise<void>((resolve) => (decide = resolve))) },
    );
  });

  test('leaves the other streams alone', () =>
    scene(async ({ session, stage, streams }) => {
      const kept = session.request(GET);
      const stream = session.request(GET);
      stream.on('error', () => {});
      await at(streams, 2);
      cancel(stream);
      await stage.recorded(1);
      streams[0]!.respond({ ':status': 200 });
      streams[0]!.end('ok');
      const [headers] = await soon('the answer', once(kept, 'response'));
      assert.equal(headers[':status'], 200);
      await stage.recorded(2);
    }));
});

test('a client that goes with many streams leaves a record of each', () =>
  scene(async ({ session, stage, streams }) => {
    for (let i = 0; i < 20; i++) session.request(i % 2 === 0 ? GET : POST).on('error', () => {});
    await at(streams, 20);
    session.destroy();
    const records = await stage.recorded(20);
    assert.ok(records.every(({ outcome }) => outcome === 'aborted'));
    await until('the ends upstream', () => streams.every((stream) => stream.closed));
  }));

describe('an origin that resets a stream', () => {
  test('before it answers leaves a 502', () =>
    scene(async ({ session, stage, streams }) => {
      const stream = session.request(GET);
      await at(streams, 1);
      streams[0]!.destroy(new Error('broken off'));
      const [headers] = await soon('the answer', once(stream, 'response'));
      assert.equal(headers[':status'], 502);
      assert.equal((await stage.record()).error?.code, 'upstream_aborted');
    }));

  test('after a part leaves a stream that is reset', () =>
    scene(async ({ session, stage, streams }) => {
      const stream = session.request(GET);
      await at(streams, 1);
      streams[0]!.respond({ ':status': 200 });
      streams[0]!.write('part');
      await soon('the part', once(stream, 'data'));
      streams[0]!.destroy(new Error('broken off'));
      assert.notEqual(await resetCode(stream), constants.NGHTTP2_NO_ERROR);
      const record = await stage.record();
      assert.equal(record.outcome, 'failed');
      assert.equal(record.response?.body, 'part');
    }));

  test('with its connection ends all streams of it, each with a record', () =>
    scene(async ({ session, stage, streams, origin }) => {
      const asked = Array.from({ length: 10 }, () => session.request(POST, { endStream: true }).on('error', () => {}));
      await at(streams, 10);
      streams[0]!.respond({ ':status': 200 });
      streams[0]!.write('part');
      await soon('the part', once(asked[0]!, 'data'));
      for (const socket of origin.sockets) socket.destroy();
      await Promise.all(asked.map(resetCode));
      const records = await stage.recorded(10);
      assert.ok(records.every(({ outcome }) => outcome === 'failed'));
    }));
});

describe('an answer that comes before the request is whole', () => {
  test('is forwarded, and so is the rest', () =>
    scene(async ({ session, stage, streams }) => {
      const stream = session.request(POST);
      stream.write('one ');
      await at(streams, 1);
      let body = '';
      streams[0]!.on('data', (chunk) => (body += chunk));
      streams[0]!.respond({ ':status': 200 });
      streams[0]!.end('early');
      const [chunk] = await soon('the answer', once(stream, 'data'));
      assert.equal(String(chunk), 'early');
      stream.end('two');
      await until('the rest upstream', () => body === 'one two');
      const record = await stage.record();
      assert.equal(record.outcome, 'completed');
      assert.equal(record.request?.body, 'one two');
    }));

  test('and says that the rest is unwanted stops the client', () =>
    scene(async ({ session, stage, streams }) => {
      const stream = session.request(POST);
      stream.write('one ');
      await at(streams, 1);
      streams[0]!.respond({ ':status': 413 });
      streams[0]!.end('big');
      streams[0]!.close(constants.NGHTTP2_NO_ERROR);
      assert.equal(await resetCode(stream), constants.NGHTTP2_NO_ERROR);
      assert.equal((await stage.record()).outcome, 'completed');
    }));
});

test('GOAWAY: streams under way are served, further ones go to a new connection', async () => {
  const streams: ServerHttp2Stream[] = [];
  await using origin = await Origin.h2((stream) => void streams.push(stream));
  await using stage = await Stage.open({ 'api.test': origin });
  const session = await stage.h2('api.test');
  const first = session.request(GET);
  await at(streams, 1);
  streams[0]!.session!.goaway(constants.NGHTTP2_NO_ERROR);
  await sleep(30);
  const second = session.request(GET);
  await at(streams, 2);
  assert.notEqual(streams[0]!.session, streams[1]!.session);
  const answers = [first, second].map((stream) => soon('an answer', once(stream.resume(), 'response')));
  for (const stream of streams) {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  }
  for (const answer of answers) assert.equal((await answer)[0][':status'], 200);
  await stage.recorded(2);
  session.destroy();
});
