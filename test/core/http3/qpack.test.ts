import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Http3ConnectionError } from '../../../core/http3/error-code.ts';
import { QpackDecoder, type QpackLimits } from '../../../core/http3/qpack-decoder.ts';
import { QpackEncoder } from '../../../core/http3/qpack-encoder.ts';
import { OUR_LIMITS } from '../../../core/http3/settings.ts';
import { randomFrom } from '../../fuzz/mutation.ts';
import { TableEncoder } from './table-encoder.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

class Decoding {
  readonly sent: string[] = [];
  readonly decoder: QpackDecoder;
  readonly results = new Map<number, string[] | null>();

  constructor(limits: Partial<QpackLimits> = {}) {
    this.decoder = new QpackDecoder({ ...OUR_LIMITS, ...limits }, (instruction) => this.sent.push(instruction.toString('hex')));
  }

  section(stream: number, section: Buffer): string[] | null | undefined {
    this.decoder.decode(stream, section, (fields) => this.results.set(stream, fields));
    return this.results.get(stream);
  }
}

function code(action: () => void): number {
  try {
    action();
  } catch (error) {
    if (error instanceof Http3ConnectionError) return error.code;
    throw error;
  }
  return 0;
}

test('the examples of RFC 9204, appendix B', () => {
  // Their table may hold 220 bytes of no more than that: indices wrap at twice six entries.
  const { decoder, sent, section } = bound(new Decoding({ capacity: 220 }));
  assert.deepEqual(section(0, bytes('0000 510b 2f69 6e64 6578 2e68 746d 6c')), [':path', '/index.html']);
  decoder.readEncoderStream(bytes('3fbd01 c00f 7777 772e 6578 616d 706c 652e 636f 6d c10c 2f73 616d 706c 652f 7061 7468'));
  assert.deepEqual(section(4, bytes('0381 10 11')), [':authority', 'www.example.com', ':path', '/sample/path']);
  decoder.readEncoderStream(bytes('4a63 7573 746f 6d2d 6b65 790c 6375 7374 6f6d 2d76 616c 7565'));
  decoder.readEncoderStream(bytes('02'));
  assert.deepEqual(section(8, bytes('0500 80 c1 81')), [':authority', 'www.example.com', ':path', '/', 'custom-key', 'custom-value']);
  decoder.cancel(8);
  decoder.readEncoderStream(bytes('810d 6375 7374 6f6d 2d76 616c 7565 32'));
  // 217 bytes with five entries would be too much: the first has gone, and the newest is there.
  assert.deepEqual(section(12, bytes('0600 80')), ['custom-key', 'custom-value2']);
  assert.deepEqual(sent, ['02', '84', '01', '01', '88', '48', '01', '8c']);
  assert.equal(code(() => section(16, bytes('0600 84'))), 0x200);
});

function bound(decoding: Decoding): { decoder: QpackDecoder; sent: string[]; section: Decoding['section'] } {
  return { decoder: decoding.decoder, sent: decoding.sent, section: (stream, section) => decoding.section(stream, section) };
}

describe('what a peer earns an error with', () => {
  for (const [what, expected, act] of [
    ['a table larger than we allow', 0x201, ({ decoder }) => decoder.readEncoderStream(bytes('3fe2ff 01'))],
    ['an entry larger than the table', 0x201, ({ decoder }) => decoder.readEncoderStream(bytes('c00f 7777 772e 6578 616d 706c 652e 636f 6d'))],
    ['a name that was never inserted', 0x201, ({ decoder }) => decoder.readEncoderStream(bytes('3fbd01 8001 61'))],
    ['a name beyond the static table', 0x201, ({ decoder }) => decoder.readEncoderStream(bytes('3fbd01 ff24 01 61'))],
    ['a duplicate of nothing', 0x201, ({ decoder }) => decoder.readEncoderStream(bytes('3fbd01 00'))],
    ['a string without end', 0x201, ({ decoder }) => decoder.readEncoderStream(bytes('3fbd01 5fffffffff0f'))],
    ['an integer without end', 0x201, ({ decoder }) => decoder.readEncoderStream(bytes('3f808080808080808080808080'))],
    ['an index beyond the static table', 0x200, (d) => d.section(0, bytes('0000 ff24'))],
    ['an index into an empty table', 0x200, (d) => d.section(0, bytes('0000 80'))],
    ['an insert count out of range', 0x200, (d) => d.section(0, bytes('ffff7f 00 80'))],
    ['a negative base', 0x200, (d) => (d.decoder.readEncoderStream(bytes('3fbd01 c00161')), d.section(0, bytes('0285 80')))],
    ['a section without a prefix', 0x200, (d) => d.section(0, bytes(''))],
    ['a section with half a prefix', 0x200, (d) => d.section(0, bytes('00'))],
    ['a string that is cut off', 0x200, (d) => d.section(0, bytes('0000 510b 2f69'))],
    ['a string in no Huffman code', 0x200, (d) => d.section(0, bytes('0000 5184 ffffffff'))],
    ['more blocked streams than allowed', 0x200, (d) => { for (let i = 0; i <= OUR_LIMITS.blockedStreams; i++) d.section(4 * i, bytes('0200 80')); }],
  ] as [string, number, (decoding: Decoding) => void][]) {
    test(what, () => assert.equal(code(() => act(new Decoding())), expected));
  }
});

test('a section larger than the limits is given up, and nothing else', () => {
  const encoder = new QpackEncoder();
  const decoding = new Decoding({ sectionSize: 1000, fields: 10 });
  const frame = (raw: string[]): Buffer => payload(encoder.frame([], raw));
  assert.equal(decoding.section(0, frame(['a', 'x'.repeat(1000)])), null);
  assert.equal(decoding.section(4, frame(Array.from({ length: 22 }, () => 'a'))), null);
  assert.equal(decoding.section(8, frame(Array.from({ length: 20 }, () => 'a')))?.length, 20);
});

/** The section in a HEADERS frame. */
function payload(frame: Buffer): Buffer {
  return frame.subarray(1 + (1 << (frame[1]! >> 6)));
}

test('what is encoded is decoded the same', () => {
  const encoder = new QpackEncoder();
  const decoding = new Decoding();
  const lists = [
    [':method', 'GET', ':scheme', 'https', ':authority', 'a.test', ':path', '/', 'accept', '*/*', 'cookie', 'a=b', 'cookie', 'c=d', 'x-own', ''],
    [':status', '200', 'content-type', 'application/json', 'content-length', '12345', 'x-bytes', '\x80\xff\t~', 'x-long', 'é'.repeat(5000)],
    [':status', '418', 'x'.repeat(300), 'y'.repeat(70)],
    [],
  ];
  for (const [i, list] of lists.entries()) assert.deepEqual(decoding.section(4 * i, payload(encoder.frame([], list))), list);
  assert.deepEqual(decoding.section(100, payload(encoder.frame([':status', '200'], ['Content-Type', 'text/plain', 'X-Own', 'y']))), [':status', '200', 'content-type', 'text/plain', 'x-own', 'y']);
  assert.deepEqual(decoding.sent, []);
  assert.equal(encoder.listSize, 7 + 3 + 12 + 10 + 5 + 1 + 3 * 32);
});

test('sections of an encoder with a dynamic table, in any order and in pieces of any size', () => {
  const random = randomFrom(7);
  for (let run = 0; run < 50; run++) {
    const capacity = 64 + Math.floor(random() * 1000);
    const decoding = new Decoding({ capacity, blockedStreams: 1000 });
    const encoder = new TableEncoder(capacity);
    const expected = new Map<number, string[]>();
    const later: [number, Buffer][] = [];
    const stream: Buffer[] = [encoder.open()];
    for (let i = 0; i < 40; i++) {
      const list = Array.from({ length: 1 + Math.floor(random() * 6) }, () => [`name-${Math.floor(random() * 6)}`, `value-${Math.floor(random() * 9)}`.repeat(1 + Math.floor(random() * 3))]).flat();
      const { section, instructions } = encoder.encode(list, random);
      expected.set(4 * i, list);
      stream.push(instructions);
      later.push([4 * i, section]);
      // What is held back blocks, and is dropped from the table only after everything that refers to it was read.
      if (random() < 0.5 || encoder.isFull) {
        const [early, late] = random() < 0.5 ? [true, false] : [false, true];
        if (early) for (const [id, bytes] of later.splice(0)) decoding.section(id, bytes);
        const all = Buffer.concat(stream.splice(0));
        for (let at = 0; at < all.length; ) {
          const size = 1 + Math.floor(random() * 20);
          decoding.decoder.readEncoderStream(all.subarray(at, at + size));
          at += size;
        }
        if (late) for (const [id, bytes] of later.splice(0)) decoding.section(id, bytes);
        encoder.acknowledgeAll();
      }
    }
    if (stream.length > 0) decoding.decoder.readEncoderStream(Buffer.concat(stream));
    for (const [id, bytes] of later) decoding.section(id, bytes);
    assert.deepEqual([...decoding.results].sort(([a], [b]) => a - b), [...expected]);
  }
});
