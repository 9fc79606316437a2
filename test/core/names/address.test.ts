import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressBytes, addressText } from '../../../core/names/address.ts';

for (const [text, bytes] of [
  ['192.0.2.1', [192, 0, 2, 1]],
  ['::', Array(16).fill(0)],
  ['::1', [...Array(15).fill(0), 1]],
  ['2001:db8::ff:1', [0x20, 1, 0x0d, 0xb8, ...Array(8).fill(0), 0, 0xff, 0, 1]],
  ['1:2:3:4:5:6:7:8', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
  ['fd00::', [0xfd, ...Array(15).fill(0)]],
] as const) {
  test(`${text} to bytes and back`, () => {
    assert.deepEqual([...addressBytes(text)!], bytes);
    assert.equal(addressText(Uint8Array.from(bytes)), text);
  });
}

test('an IPv4 tail is part of the bytes', () => {
  assert.deepEqual([...addressBytes('::ffff:192.0.2.1')!], [...Array(10).fill(0), 255, 255, 192, 0, 2, 1]);
});

test('what is no address has no bytes', () => {
  for (const text of ['', 'example.com', '192.0.2', '256.0.0.1', '[::1]', 'fe80::1%eth0', '1:2:3']) assert.equal(addressBytes(text), null, text);
});
