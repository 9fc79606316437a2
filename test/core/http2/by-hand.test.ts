/** Frames of HTTP/2 that no library lets a client send. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage } from '../../stage/captured.ts';
import { END_HEADERS, END_STREAM, FRAME, FrameReader, PREFACE, fields, frame, uint32 } from '../../stage/frames.ts';
import { Origin } from '../../stage/origin.ts';
import { soon, until } from '../../stage/wire.ts';

const GET = { ':path': '/', ':authority': 'api.test' };

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
