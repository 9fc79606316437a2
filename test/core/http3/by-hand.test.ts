/** Streams of HTTP/3 that no library lets a client send. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Headers } from '../../../core/headers.ts';
import { QpackEncoder } from '../../../core/http3/qpack-encoder.ts';
import { Stage } from '../../stage/captured.ts';
import { Http3Origin, byHand, dialHttp3, listenHttp3, type Outcome } from '../../stage/http3.ts';
import { text } from './table-encoder.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const fields = (...pairs: [string, string][]): Buffer => new QpackEncoder().frame([], pairs.flat());
/** A section whose strings are literals as they stand, with whatever is in them. */
const literal = (...pairs: [string, string][]): Buffer => {
  const lines = pairs.flatMap(([name, value]) => [text(0x20, 3, name), text(0, 7, value)]);
  const section = Buffer.concat([Buffer.from([0, 0]), ...lines]);
  return Buffer.concat([Buffer.from([1, 0x40 | (section.length >> 8), section.length & 0xff]), section]);
};
const request = (...pairs: [string, string][]): [string, string][] => [[':method', 'GET'], [':scheme', 'https'], [':authority', 'api.test'], [':path', '/'], ...pairs];
const without = (name: string, ...pairs: [string, string][]): [string, string][] => [...request().filter(([other]) => other !== name), ...pairs];
const extended = (...left: string[]): [string, string][] => [...request(), [':protocol', 'websocket'] as [string, string]].map(([name, value]): [string, string] => [name, name === ':method' ? 'CONNECT' : value]).filter(([name]) => !left.includes(name));
const DATA = hex('0005 68656c6c6f');
const GREASE = hex('21 00 4040 03 aabbcc');

describe('by hand', () => {
  let origin: Http3Origin;
  let stage: Stage;
  let port: number;
  let reached = 0;

  before(async () => {
    origin = await Http3Origin.open((exchange) => {
      reached++;
      const respond = (): void => {
        exchange.respond({ status: 200, statusText: '', httpVersion: '3', headers: new Headers(), hasBody: false });
        exchange.end(null);
      };
      exchange.attach({ onRequestData: () => {}, onRequestEnd: respond, onClientAbort: () => {}, onClientHalfClose: () => {}, onClientError: () => {}, onClientDrain: () => {} });
      exchange.start();
      if (!exchange.head.hasBody) respond();
    });
    stage = await Stage.open({ 'api.test': origin, 'other.test': origin });
    port = await listenHttp3(stage);
  });
  after(async () => {
    await stage.close();
    await origin[Symbol.asyncDispose]();
  });

  async function send(bytes: Buffer, options: Parameters<typeof byHand>[2] = {}): Promise<Outcome & { reached: number }> {
    reached = 0;
    const outcome = await byHand(await dialHttp3(stage, port, 'api.test'), bytes, options);
    return { ...outcome, reached };
  }

  for (const [what, bytes] of [
    ['a sound request', fields(...request(['x', 'y']))],
    ['a request with a body', Buffer.concat([fields(...request()), DATA])],
    ['a request with a length that its body has', Buffer.concat([fields(...request(['content-length', '5'])), DATA])],
    ['reserved and unknown frames anywhere', Buffer.concat([GREASE, fields(...request()), GREASE, DATA, GREASE])],
    ['trailers', Buffer.concat([fields(...request()), DATA, fields(['x-sum', '1'])])],
    ['Host in the place of :authority', fields(...without(':authority', ['host', 'api.test']))],
    ['empty DATA frames', Buffer.concat([fields(...request()), hex('0000 0000 0000'), DATA])],
  ] as const) {
    test(`${what}: is answered`, async () => {
      const { status, reached } = await send(bytes);
      assert.deepEqual({ status, reached }, { status: 200, reached: 1 });
    });
  }

  for (const [what, bytes] of [
    ['a Host unlike :authority', fields(...request(['host', 'other.test']))],
    ['two Hosts', fields(...request(['host', 'api.test'], ['host', 'api.test']))],
    ['an :authority with a user', fields(...without(':authority', [':authority', 'api.test@other.test']))],
    ['a :path that is a URL', fields(...without(':path', [':path', 'http://other.test/']))],
    ['a :path with a space', fields(...without(':path', [':path', '/a HTTP/1.1']))],
    ['CONNECT', fields([':method', 'CONNECT'], [':authority', 'api.test:443'])],
  ] as const) {
    test(`${what}: 400, and never upstream`, async () => {
      const { status, reached } = await send(bytes);
      assert.deepEqual({ status, reached }, { status: 400, reached: 0 });
    });
  }

  for (const [what, code, bytes] of [
    ['a name in upper case', 0x10e, literal(...request(['X-Upper', 'y']))],
    ['a line end in a value', 0x10e, literal(...request(['x-a-long', 'a\r\nb: c']))],
    ['a NUL in a value', 0x10e, literal(...request(['x-a-long', 'a\0b']))],
    ['a line end in :path', 0x10e, literal(...without(':path', [':path', '/a\r\nX: y']))],
    ['a Connection field', 0x10e, fields(...request(['connection', 'close']))],
    ['a transfer coding', 0x10e, fields(...request(['transfer-encoding', 'chunked']))],
    ['TE other than trailers', 0x10e, fields(...request(['te', 'gzip']))],
    ['two :paths', 0x10e, fields(...request([':path', '/b']))],
    ['a pseudo-header after the others', 0x10e, fields(...request(['x', 'y'], [':method', 'POST']))],
    ['an unknown pseudo-header', 0x10e, fields(...request([':odd', 'y']))],
    ['no :path', 0x10e, fields(...without(':path'))],
    ['no :method', 0x10e, fields(...without(':method'))],
    ['no :scheme', 0x10e, fields(...without(':scheme'))],
    ['neither :authority nor Host', 0x10e, fields(...without(':authority'))],
    ['an extended CONNECT without :scheme', 0x10e, fields(...extended(':scheme'))],
    ['an extended CONNECT without :path', 0x10e, fields(...extended(':path'))],
    ['an extended CONNECT without :authority', 0x10e, fields(...extended(':authority'))],
    ['an extended CONNECT with an empty :protocol', 0x10e, fields(...extended(':protocol'), [':protocol', ''])],
    ['a :protocol of GET', 0x10e, fields(...request([':protocol', 'websocket']))],
    ['two lengths', 0x10e, fields(...request(['content-length', '5'], ['content-length', '6']))],
    ['a length without a body', 0x10e, fields(...request(['content-length', '5']))],
    ['nothing but the end of a reserved frame', 0x10d, GREASE],
    ['a section larger than we take', 0x107, fields(...request(['x-long', 'y'.repeat(140_000)]))],
  ] as [string, number, Buffer][]) {
    test(`${what}: the stream is reset with 0x${code.toString(16)}, and nothing goes upstream`, async () => {
      const { reset, reached } = await send(bytes);
      assert.deepEqual({ reset, reached }, { reset: code, reached: 0 });
    });
  }

  test('a body that is longer, or shorter, than its length never looks whole upstream', async () => {
    for (const length of ['3', '7']) {
      const { status, reset } = await send(Buffer.concat([fields(...request(['content-length', length])), DATA]));
      assert.ok(status === 400 || reset !== null, `${status} ${reset}`);
    }
  });

  for (const [what, code, bytes, options] of [
    ['DATA before a head', 0x105, DATA, {}],
    ['DATA after trailers', 0x105, Buffer.concat([fields(...request()), DATA, fields(['x-sum', '1']), DATA]), {}],
    ['trailers of an extended CONNECT', 0x105, Buffer.concat([fields(...extended()), DATA, fields(['x-sum', '1'])]), {}],
    ['a second head of an extended CONNECT', 0x105, Buffer.concat([fields(...extended()), fields(...request())]), {}],
    ['trailers of an extended CONNECT that are larger than we take', 0x105, Buffer.concat([fields(...extended()), fields(['x-long', 'y'.repeat(140_000)])]), {}],
    ['SETTINGS on a request stream', 0x105, hex('0400'), {}],
    ['a frame of HTTP/2', 0x105, hex('0200'), {}],
    ['PUSH_PROMISE', 0x105, hex('050100'), {}],
    ['a stream that ends within a frame', 0x106, hex('0110 0000'), {}],
    ['a stream that ends within a frame header', 0x106, hex('40'), {}],
    ['a section that refers to nothing', 0x200, hex('0103 000080'), {}],
    ['a control stream that begins with something else', 0x10a, hex(''), { control: hex('00 0700') }],
    ['two SETTINGS', 0x105, hex(''), { control: hex('00 0400 0400') }],
    ['a setting of HTTP/2', 0x109, hex(''), { control: hex('00 0402 0201') }],
    ['an offer of extended CONNECT that is neither 0 nor 1', 0x109, hex(''), { control: hex('00 0402 0802') }],
    ['a setting twice', 0x109, hex(''), { control: hex('00 0404 0100 0100') }],
    ['SETTINGS that are cut off', 0x106, hex(''), { control: hex('00 0401 01') }],
    ['DATA on the control stream', 0x105, hex(''), { control: hex('00 0400 0000') }],
    ['GOAWAY of two bytes too many', 0x106, hex(''), { control: hex('00 0400 0703 000000') }],
    ['a MAX_PUSH_ID that goes back', 0x108, hex(''), { control: hex('00 0400 0d0105 0d0104') }],
    ['a push that was never promised, cancelled', 0x108, hex(''), { control: hex('00 0400 030100') }],
    ['a second control stream', 0x103, hex(''), { unidirectional: [hex('00 0400')] }],
    ['a push stream of a client', 0x103, hex(''), { unidirectional: [hex('01 00')] }],
    ['an acknowledgement of nothing', 0x202, hex(''), { unidirectional: [hex('03 80')] }],
    ['a table larger than we allow', 0x201, hex(''), { unidirectional: [hex('02 3fffffff0f')] }],
  ] as [string, number, Buffer, object][]) {
    test(`${what}: the connection ends with 0x${code.toString(16)}`, async () => {
      const { closed, reached } = await send(bytes, options);
      assert.deepEqual({ code: closed?.code, isApplication: closed?.isApplication, reached }, { code, isApplication: true, reached: 0 });
    });
  }

  test('streams of unknown types are passed over', async () => {
    const { status } = await send(fields(...request()), { unidirectional: [hex('21 aabb'), hex('4fff')] });
    assert.equal(status, 200);
  });

  test('a section that waits for its entries is answered when they have come', async () => {
    const { status, reached } = await send(hex('0106 0200 d1 d7 80 c1'), { later: hex('02 3fbd01 c008 6170692e74657374') });
    assert.deepEqual({ status, reached }, { status: 200, reached: 1 });
  });
});
