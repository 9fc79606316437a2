/** What either side says of its streams holds for the other: limits, resets, GOAWAY. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createSecureServer, type ClientHttp2Session, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Server } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage } from '../../stage/captured.ts';
import { END_HEADERS, FRAME, FrameReader, PREFACE, fields, frame, uint32 } from '../../stage/frames.ts';
import { Origin, originCA } from '../../stage/origin.ts';
import { soon, until } from '../../stage/wire.ts';

const GET = { ':path': '/', ':authority': 'api.test' };
const POST = { ...GET, ':method': 'POST' };
const GRPC = { ...POST, 'content-type': 'application/grpc', te: 'trailers' };

interface Scene {
  readonly session: ClientHttp2Session;
  readonly stage: Stage;
  readonly streams: ServerHttp2Stream[];
  readonly sessions: ServerHttp2Session[];
  readonly origin: Origin;
}

/** @param onStream what the origin makes of a stream, the nth of all. */
async function scene(settings: { maxConcurrentStreams?: number }, onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, nth: number) => void, act: (scene: Scene) => Promise<void>): Promise<void> {
  const streams: ServerHttp2Stream[] = [];
  const sessions: ServerHttp2Session[] = [];
  const server = createSecureServer({ ...originCA.options(), settings });
  server.on('session', (session) => void sessions.push(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    onStream(stream as ServerHttp2Stream, headers, streams.push(stream as ServerHttp2Stream));
  });
  server.on('sessionError', () => {});
  await using origin = await Origin.listen(server as unknown as Server);
  await using stage = await Stage.open({ 'api.test': origin });
  const session = await stage.h2('api.test');
  await act({ session, stage, streams, sessions, origin });
  session.destroy();
}

const answer = (stream: ServerHttp2Stream, text = 'ok'): void => {
  if (stream.destroyed) return;
  stream.respond({ ':status': 200 });
  stream.end(text);
};

async function statusOf(session: ClientHttp2Session, headers: object = GET, body?: string): Promise<number> {
  const stream = session.request(headers as typeof GET, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const [head] = (await soon('an answer', once(stream.resume(), 'response'))) as [IncomingHttpHeaders];
  return Number(head[':status']);
}

describe('an upstream that takes fewer streams than we do', () => {
  test('is sent no more at a time, and all are served on one connection', async () => {
    let open = 0;
    let most = 0;
    await scene(
      { maxConcurrentStreams: 3 },
      (stream) => {
        most = Math.max(most, ++open);
        setTimeout(() => answer(stream), 5);
        stream.on('close', () => open--);
      },
      async ({ session, stage, sessions }) => {
        assert.equal(await statusOf(session), 200);
        const statuses = await Promise.all(Array.from({ length: 60 }, (_, at) => (at % 2 === 0 ? statusOf(session) : statusOf(session, POST, 'body'))));
        assert.deepEqual(new Set(statuses), new Set([200]));
        const records = await stage.recorded(61);
        assert.ok(records.every(({ outcome }) => outcome === 'completed'));
        assert.deepEqual([most, sessions.length], [3, 1]);
      },
    );
  });

  test('takes none until it says so', () =>
    scene({ maxConcurrentStreams: 0 }, (stream) => answer(stream), async ({ session, stage, sessions, streams }) => {
      await sleep(30);
      const waiting = [statusOf(session), statusOf(session, POST, 'body')];
      const left = session.request(GET);
      left.on('error', () => {});
      await sleep(100);
      assert.equal(streams.length, 0);
      left.close(constants.NGHTTP2_CANCEL);
      await stage.recorded(1);
      sessions[0]!.settings({ maxConcurrentStreams: 10 });
      assert.deepEqual(await Promise.all(waiting), [200, 200]);
      assert.deepEqual((await stage.recorded(3)).map(({ outcome }) => outcome), ['aborted', 'completed', 'completed']);
      assert.equal(streams.length, 2);
    }));

  test('and says GOAWAY has what waits served by another connection', () =>
    scene({ maxConcurrentStreams: 1 }, (stream, _headers, nth) => nth > 1 && answer(stream), async ({ session, stage, sessions, streams }) => {
      const first = statusOf(session);
      await until('the first', () => streams.length === 1);
      const others = [statusOf(session), statusOf(session, POST, 'body'), statusOf(session, GRPC, '\0\0\0\0\0')];
      await sleep(50);
      sessions[0]!.goaway(constants.NGHTTP2_NO_ERROR);
      assert.deepEqual(await Promise.all(others), [200, 200, 200]);
      answer(streams[0]!);
      assert.equal(await first, 200);
      assert.ok((await stage.recorded(4)).every(({ outcome }) => outcome === 'completed'));
      assert.equal(sessions.length, 2);
    }));
});

describe('a stream that the upstream refuses unprocessed', () => {
  const refusing = (count: number) => (stream: ServerHttp2Stream, _headers: IncomingHttpHeaders, nth: number): void => (nth <= count ? stream.close(constants.NGHTTP2_REFUSED_STREAM) : answer(stream));

  test('is sent again, whatever its method, where it has no body', () =>
    scene({}, refusing(2), async ({ session, stage, streams }) => {
      assert.equal(await statusOf(session, POST), 200);
      assert.equal(streams.length, 3);
      assert.equal((await stage.record()).outcome, 'completed');
    }));

  test('is refused to the client where its body is spent, or it never ends: it knows what to do', () =>
    scene({}, refusing(100), async ({ session, stage, streams }) => {
      for (const body of ['body', undefined]) {
        const stream = session.request(POST, { endStream: body === undefined });
        stream.on('error', () => {});
        if (body !== undefined) stream.end(body);
        await until('the end', () => stream.closed);
        assert.equal(stream.rstCode, constants.NGHTTP2_REFUSED_STREAM);
      }
      assert.deepEqual((await stage.recorded(2)).map(({ outcome, error }) => [outcome, error!.code]), [['failed', 'upstream_aborted'], ['failed', 'upstream_aborted']]);
      assert.equal(streams.length, 1 + 4);
    }));

  test('by the GOAWAY that ends its connection is sent again', () =>
    scene({}, (stream, _headers, nth) => (nth > 2 ? answer(stream) : undefined), async ({ session, streams, sessions, stage }) => {
      const first = session.request(POST);
      first.on('error', () => {});
      await until('the first', () => streams.length === 1);
      const second = statusOf(session);
      await until('the second', () => streams.length === 2);
      sessions[0]!.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 1);
      assert.equal(await second, 200);
      assert.equal(sessions.length, 2);
      first.destroy();
      await stage.recorded(2);
    }));
});

describe('the code of a reset', () => {
  test('of the client reaches the upstream, though the request has not ended', async () => {
    for (const code of [constants.NGHTTP2_CANCEL, constants.NGHTTP2_ENHANCE_YOUR_CALM]) {
      await scene({}, () => {}, async ({ stage, streams }) => {
        const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2'] });
        client.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), frame(FRAME.headers, END_HEADERS, 1, fields([[':method', 'POST'], [':scheme', 'https'], [':authority', 'api.test'], [':path', '/']])), frame(FRAME.data, 0, 1, Buffer.from('half'))]));
        await until('the stream', () => streams.length === 1);
        let ended = false;
        streams[0]!.resume().on('end', () => (ended = streams[0]!.rstCode === 0));
        await sleep(20);
        client.write(frame(FRAME.reset, 0, 1, uint32(code)));
        await until('the reset', () => streams[0]!.closed);
        assert.deepEqual([streams[0]!.rstCode, ended], [code, false]);
        assert.equal((await stage.record()).error?.code, 'client_aborted');
      });
    }
  });

  test('of the upstream reaches the client, in the middle of the answer', async () => {
    await scene({}, (stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.write('half');
      setTimeout(() => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM), 20);
    }, async ({ stage }) => {
      const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2'] });
      const frames = new FrameReader(client);
      client.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), frame(FRAME.headers, END_HEADERS, 1, fields([[':method', 'POST'], [':scheme', 'https'], [':authority', 'api.test'], [':path', '/']]))]));
      const data = await frames.until(FRAME.data);
      assert.deepEqual([data.payload.toString(), data.flags], ['half', 0]);
      const reset = await frames.until(FRAME.data, FRAME.reset);
      assert.deepEqual([reset.type, reset.payload.readUInt32BE()], [FRAME.reset, constants.NGHTTP2_ENHANCE_YOUR_CALM], 'no end before it');
      assert.equal((await stage.record()).outcome, 'failed');
    });
  });

  test('reaches a client of gRPC instead of a 502', () =>
    scene({}, (stream) => stream.close(constants.NGHTTP2_CANCEL), async ({ session, stage }) => {
      const stream = session.request(GRPC);
      stream.on('error', () => {});
      await until('the end', () => stream.closed);
      assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
      assert.equal((await stage.record()).response, null);
    }));
});

test('a gRPC call whose connection breaks after its head ends as UNAVAILABLE', () =>
  scene({}, (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.write('\0\0\0\0\x01a');
  }, async ({ session, stage, origin }) => {
    const stream = session.request(GRPC);
    await soon('a message', once(stream, 'data'));
    for (const socket of origin.sockets) socket.destroy();
    const [trailers] = (await soon('the trailers', once(stream, 'trailers'))) as [IncomingHttpHeaders];
    assert.equal(trailers['grpc-status'], '14');
    assert.match(String(trailers['grpc-message']), /^upstream_aborted: /);
    const { outcome, grpc } = await stage.record();
    assert.deepEqual([outcome, grpc!.status_name, grpc!.message_count.down], ['failed', 'UNAVAILABLE', 1]);
  }));

for (const trailers of [true, false]) {
  test(`a server that does not wait for the end of the request reaches a client that is slow, ${trailers ? 'with' : 'without'} trailers`, () =>
    scene({}, (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: trailers });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '3' }));
      const message = Buffer.alloc(200_005, 'a');
      message.writeUIntBE(200_000, 0, 5);
      stream.end(message);
      setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), 40);
    }, async ({ session, stage }) => {
      const stream = session.request(GRPC);
      stream.on('error', () => {});
      let status: unknown = null;
      stream.on('trailers', (fields) => (status = fields['grpc-status']));
      let size = 0;
      let ended = false;
      stream.on('data', (chunk: Buffer) => (size += chunk.length)).pause();
      stream.on('end', () => (ended = true));
      await sleep(150);
      stream.resume();
      await until('the end', () => stream.closed);
      assert.deepEqual([status, size, stream.rstCode, ended], [trailers ? '3' : null, 200_005, constants.NGHTTP2_NO_ERROR, true]);
      const { outcome, grpc } = await stage.record();
      assert.deepEqual([outcome, grpc!.status], ['completed', trailers ? 3 : null]);
    }));
}
