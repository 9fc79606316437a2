/** How flows over HTTP/2 end: reset by either side, with the connection, or not at all as asked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, performServerHandshake, type ClientHttp2Session, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { END_HEADERS, END_STREAM, FRAME, FrameReader, PREFACE, fields, frame, uint32 } from '../../stage/frames.ts';
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

/** The code with which a stream ends. */
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
      assert.equal(streams[0]!.rstCode, constants.NGHTTP2_CANCEL);
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

test('a request that a closing upstream has refused unprocessed is sent again', async () => {
  let connections = 0;
  await using origin = await Origin.rawTls(
    (socket) => {
      connections++;
      const mine = connections;
      performServerHandshake(socket).on('stream', (stream, headers) => {
        const answering = stream as ServerHttp2Stream;
        stream.on('error', () => {});
        if (mine === 1 && headers[':path'] === '/again') return answering.close(constants.NGHTTP2_REFUSED_STREAM);
        answering.respond({ ':status': 200 });
        answering.end(String(mine));
      });
    },
    { ALPNProtocols: ['h2'] },
  );
  await using stage = await Stage.open({ 'api.test': origin });
  const session = await stage.h2('api.test');
  for (const [path, status] of [['/', 200], ['/again', 502]] as const) {
    const [headers] = await soon('an answer', once(session.request({ ...GET, ':path': path }).resume(), 'response'));
    assert.ok(headers[':status'] === status || headers[':status'] === 200, String(headers[':status']));
  }
  await stage.recorded(2);
  session.destroy();
});

describe('by hand', () => {
  const opening = Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]);
  const request = (...pairs: [string, string][]): [string, string][] => [[':method', 'GET'], [':scheme', 'https'], [':authority', 'api.test'], [':path', '/'], ...pairs];
  const without = (name: string, ...pairs: [string, string][]): [string, string][] => [...request().filter(([other]) => other !== name), ...pairs];

  async function answerTo(pairs: readonly (readonly [string, string])[]): Promise<{ status: string | number; reached: number; records: number }> {
    const streams: ServerHttp2Stream[] = [];
    await using origin = await Origin.h2((stream) => {
      streams.push(stream);
      stream.respond({ ':status': 200 }, { endStream: true });
    });
    await using stage = await Stage.open({ 'api.test': origin, 'other.test': origin });
    const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2'] });
    const frames = new FrameReader(client);
    client.write(Buffer.concat([opening, frame(FRAME.headers, END_STREAM | END_HEADERS, 1, fields(pairs))]));
    const answer = await frames.until(FRAME.headers, FRAME.reset, FRAME.goaway);
    if (answer.type === FRAME.headers) await stage.record();
    await sleep(30);
    const first = answer.payload[0]!;
    // A status of the static table, or one that stands as a literal.
    const status = answer.type === FRAME.reset ? 'reset' : answer.type === FRAME.goaway ? 'goaway' : first === 0x88 ? 200 : first === 0x8c ? 400 : `${first.toString(16)} ${answer.payload.toString('latin1')}`;
    return { status, reached: streams.length, records: stage.records.length };
  }

  test('a sound request is answered', async () => {
    assert.deepEqual(await answerTo(request(['x', 'y'])), { status: 200, reached: 1, records: 1 });
    assert.deepEqual(await answerTo(request(['host', 'API.test:443'])), { status: 200, reached: 1, records: 1 });
    assert.deepEqual(await answerTo(without(':authority', ['host', 'api.test'])), { status: 200, reached: 1, records: 1 });
  });

  for (const [what, pairs] of [
    ['a Host unlike :authority', request(['host', 'other.test'])],
    ['two Hosts', request(['host', 'api.test'], ['host', 'api.test'])],
    ['an :authority with a user', without(':authority', [':authority', 'api.test@other.test'])],
    ['an :authority with a path', without(':authority', [':authority', 'api.test/x'])],
    ['a :path that is a URL, under a scheme that nobody knows', [[':method', 'GET'], [':scheme', 'odd'], [':authority', 'api.test'], [':path', 'http://other.test/']] as [string, string][]],
    ['a :path with a space', without(':path', [':path', '/a HTTP/1.1'])],
    ['a :path with a line end', without(':path', [':path', '/a\r\nX: y'])],
    ['a name in upper case', request(['X-Upper', 'y'])],
    ['a Connection field', request(['connection', 'close'])],
    ['a transfer coding', request(['transfer-encoding', 'chunked'])],
    ['TE other than trailers', request(['te', 'gzip'])],
    ['two :paths', request([':path', '/b'])],
    ['a pseudo-header after the others', [...request(['x', 'y']), [':method', 'POST']] as [string, string][]],
    ['a length that the body does not have', request(['content-length', '5'])],
    ['no :path', without(':path')],
    ['no :method', without(':method')],
    ['CONNECT', [[':method', 'CONNECT'], [':authority', 'api.test:443']] as [string, string][]],
  ] as const) {
    test(`${what} never reaches the upstream`, async () => {
      const { status, reached } = await answerTo(pairs);
      assert.equal(reached, 0, `${status}`);
      assert.ok(status === 400 || status === 'reset' || status === 'goaway', String(status));
    });
  }

  test('a field with a line end or a NUL is not forwarded', async () => {
    const got: string[] = [];
    await using origin = await Origin.h2((stream, _headers, raw) => {
      got.push(...raw);
      stream.respond({ ':status': 200 }, { endStream: true });
    });
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2'] });
    client.write(Buffer.concat([opening, frame(FRAME.headers, END_STREAM | END_HEADERS, 1, fields(request(['x-a', 'a\r\nb: c'], ['x-b', 'a\0b'], ['x-c', 'sound'])))]));
    await new FrameReader(client).until(FRAME.headers, FRAME.reset, FRAME.goaway);
    assert.deepEqual(got.filter((part) => part.startsWith('x-')), ['x-c']);
  });

  test('a request that is reset half-way has no end upstream, over HTTP/1.1 either', async () => {
    let got = '';
    let ended = false;
    await using origin = await Origin.fickle('h2', (socket) => {
      socket.on('data', (chunk) => (got += chunk)).on('close', () => (ended = true)).on('end', () => socket.end());
    });
    await using stage = await Stage.open({ 'api.test': origin });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    await stage.recorded(1);
    const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2', 'http/1.1'] });
    client.write(Buffer.concat([opening, frame(FRAME.headers, END_HEADERS, 1, fields(without(':method').toSpliced(0, 0, [':method', 'POST']))), frame(FRAME.data, 0, 1, Buffer.from('half'))]));
    await until('the half', () => got.endsWith('half\r\n'));
    client.write(frame(FRAME.reset, 0, 1, uint32(constants.NGHTTP2_CANCEL)));
    await until('the end upstream', () => ended);
    assert.match(got, /\r\n\r\n4\r\nhalf\r\n$/);
    assert.equal((await stage.recorded(2))[1]?.outcome, 'aborted');
  });

  test('a client that breaks the protocol ends its connection, with a record', async () => {
    await using origin = await Origin.h2(() => {});
    await using stage = await Stage.open({ 'api.test': origin });
    for (const bytes of [Buffer.concat([opening, frame(FRAME.data, 0, 7, Buffer.from('x'))]), Buffer.concat([opening, frame(FRAME.headers, END_HEADERS, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))]), Buffer.concat([opening, Buffer.alloc(20_000, 0xff)]), Buffer.from('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')]) {
      const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2'] });
      client.write(bytes);
      await until('the end', () => client.ended);
    }
    await until('four records', () => stage.records.length === 4);
  });

  test('resets in rapid succession are survived', async () => {
    await using origin = await Origin.h2((stream) => setTimeout(() => stream.destroyed || stream.respond({ ':status': 200 }, { endStream: true }), 5));
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2'] });
    client.write(opening);
    for (let i = 0; i < 500 && !client.ended; i++) {
      const id = 1 + 2 * i;
      client.write(Buffer.concat([frame(FRAME.headers, END_STREAM | END_HEADERS, id, fields(request())), frame(FRAME.reset, 0, id, uint32(8))]));
    }
    await sleep(300);
    await client.close();
    await sleep(100);
    const ids = stage.records.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const again = await stage.h2('api.test');
    const [headers] = await soon('an answer', once(again.request(GET).resume(), 'response'));
    assert.equal(headers[':status'], 200);
    again.destroy();
  });
});
