/** ClientHellos by hand (RFC 8446, section 4.1.2), in as many records as a test likes, and runs of mutated ones. */
import assert from 'node:assert/strict';
import { readClientHello } from '../../../core/peek/client-hello.ts';
import { recogniseFirstBytes } from '../../../core/peek/first-bytes.ts';
import type { Seed } from '../../stage/seed.ts';

export interface HelloShape {
  readonly version?: number;
  readonly ciphers?: readonly number[];
  /** Type and content, in order; null leaves the whole block out. */
  readonly extensions?: readonly (readonly [number, Buffer])[] | null;
  /** Bytes of the handshake message in each record. */
  readonly recordSize?: number;
}

export const uint16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
export const vector8 = (content: Buffer): Buffer => Buffer.concat([Buffer.from([content.length]), content]);
export const vector16 = (content: Buffer): Buffer => Buffer.concat([uint16(content.length), content]);
export const uint16s = (values: readonly number[]): Buffer => Buffer.concat(values.map(uint16));

export const serverName = (name: string | Buffer, type = 0): [number, Buffer] => [0, vector16(Buffer.concat([Buffer.from([type]), vector16(Buffer.from(name as string, 'latin1'))]))];
export const alpn = (...names: readonly (string | Buffer)[]): [number, Buffer] => [16, vector16(Buffer.concat(names.map((name) => vector8(Buffer.from(name as string, 'latin1')))))];
export const versions = (...ids: readonly number[]): [number, Buffer] => [43, vector8(uint16s(ids))];
export const groups = (...ids: readonly number[]): [number, Buffer] => [10, vector16(uint16s(ids))];
export const signatures = (...ids: readonly number[]): [number, Buffer] => [13, vector16(uint16s(ids))];

export function helloBytes({ version = 0x0303, ciphers = [0x1301], extensions = [], recordSize = 16_384 }: HelloShape): Buffer {
  const block = extensions === null ? Buffer.alloc(0) : vector16(Buffer.concat(extensions.flatMap(([type, content]) => [uint16(type), vector16(content)])));
  const body = Buffer.concat([uint16(version), Buffer.alloc(32, 7), vector8(Buffer.alloc(32, 9)), vector16(uint16s(ciphers)), vector8(Buffer.from([0])), block]);
  const message = Buffer.concat([Buffer.from([1, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff]), body]);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += recordSize) records.push(Buffer.from([22, 3, 1]), vector16(message.subarray(at, at + recordSize)));
  return Buffer.concat(records);
}

/** Whatever the bytes, a reading comes back, no prefix of them is told apart in another way, and it takes no time to speak of. */
export function fuzzHellos(runs: number, seed: Seed): void {
  const base = helloBytes({
    ciphers: [0x0a0a, 0x1301, 0xc02f],
    extensions: [serverName('api.example.com'), alpn('h2', 'http/1.1'), versions(0x0a0a, 0x0304, 0x0303), groups(29, 23), signatures(0x0403, 0x0804), [0xfe0d, Buffer.alloc(20)]],
    recordSize: 100,
  });
  let read = 0;
  for (let i = 0; i < runs; i++) {
    const bytes = seed.mutated(base, ['\x16\x03\x01', '\0', '\xff\xff', '\0\0']);
    const reading = readClientHello(bytes);
    const first = recogniseFirstBytes(bytes);
    if (typeof reading === 'object') {
      read++;
      assert.match(reading.ja4, /^t(13|12|11|10|s3|s2|00)[di]\d{4}[0-9a-zA-Z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$/);
      const cut = readClientHello(bytes.subarray(0, seed.below(bytes.length)));
      if (typeof cut === 'object') assert.deepEqual(cut, reading);
      else assert.equal(cut, 'need-more');
      assert.equal(first?.kind, 'tls');
    } else if (bytes[0] === 22) {
      const unread = bytes[1] === 3 ? 'broken-tls' : 'raw';
      assert.equal(first?.kind, reading === 'need-more' ? undefined : unread);
    }
  }
  assert.ok(read > runs / 100, `only ${read} of ${runs} were read: the mutations are too wild to say anything`);
}
