import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rope } from '../../../core/recorder/rope.ts';

test('bytes come back in order, whatever the sizes of the chunks', () => {
  const rope = new Rope();
  const chunks: Buffer[] = [];
  let seed = 7;
  for (let i = 0; i < 400; i += 1) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const chunk = Buffer.alloc([1, 13, 700, 5000, 16384, 70000][seed % 6]!, i % 251);
    chunks.push(chunk);
    rope.add(chunk);
  }
  const expected = Buffer.concat(chunks);
  assert.equal(rope.size, expected.length);
  assert.ok(Buffer.concat(rope.parts()).equals(expected));
  assert.ok(rope.bytes().equals(expected));
  assert.ok(Buffer.concat(rope.take()).equals(expected));
  assert.equal(rope.size, 0);
  rope.add(Buffer.from('again'));
  assert.equal(rope.bytes().toString(), 'again');
});

test('a small slice after the first does not pin the buffer it is cut from', () => {
  const rope = new Rope();
  rope.add(Buffer.from('first'));
  const pool = Buffer.alloc(64 * 1024, 'x');
  rope.add(pool.subarray(10, 20));
  rope.add(pool.subarray(0, 20000));
  assert.ok(rope.parts().every((part) => part.buffer !== pool.buffer));
});

test('long chunks are not copied', () => {
  const rope = new Rope();
  const long = Buffer.alloc(20000);
  rope.add(Buffer.from('a'));
  rope.add(long);
  assert.equal(rope.parts().at(-1), long);
});

test('a hundred thousand single bytes are a handful of parts', () => {
  const rope = new Rope();
  const byte = Buffer.from('b');
  for (let i = 0; i < 100_000; i += 1) rope.add(byte);
  assert.equal(rope.size, 100_000);
  assert.ok(rope.parts().length < 12, String(rope.parts().length));
  assert.equal(rope.bytes().toString(), 'b'.repeat(100_000));
});
