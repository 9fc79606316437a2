import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { BlockPool } from '../../../core/recorder/block-pool.ts';
import { dataRecord } from '../../../core/recorder/data-capture.ts';
import { MessageBytes } from '../../../core/recorder/message-bytes.ts';

const LONG = 200_000;
const fill = (text: string): Buffer => Buffer.from(text.repeat(Math.ceil(LONG / Buffer.byteLength(text))));
const MESSAGES: Record<string, Buffer> = {
  'random bytes': randomBytes(LONG),
  'random bytes without a NUL': randomBytes(LONG).map((byte) => byte || 1) as Buffer,
  'text of one byte a character': fill('the quick "brown" fox\n'),
  'text of two to four bytes a character': fill('aé€😀\u0001\ufeff'),
  'text that ends in the middle of a character': Buffer.concat([fill('é'), Buffer.from([0xc3])]),
  'text with a NUL at its end': Buffer.concat([fill('é'), Buffer.from([0])]),
  'text that begins with a byte order mark': fill('\ufeffx'),
};

function cut(bytes: Buffer, size: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
  return parts;
}

for (const [name, bytes] of Object.entries(MESSAGES)) {
  for (const isBeginning of [false, true]) {
    test(`${name}${isBeginning ? ', of which there was more' : ''}: the same text as of one piece, wherever it is cut`, () => {
      const { data, data_encoding } = dataRecord(bytes, isBeginning);
      for (const size of [1, 7, 1000, 24 * 1024, 24 * 1024 + 1, 65_536, LONG + 10]) {
        const message = new MessageBytes(cut(bytes, size), new BlockPool(), isBeginning);
        assert.equal(message.encoding, data_encoding);
        assert.ok(message.text() === data, `cut to ${size}`);
        const pieces: string[] = [];
        for (const piece of message.json()) {
          assert.ok(piece.length < 200_000);
          pieces.push(piece.toString());
        }
        assert.ok(`"${pieces.join('')}"` === JSON.stringify(data), `JSON, cut to ${size}`);
      }
    });
  }
}
