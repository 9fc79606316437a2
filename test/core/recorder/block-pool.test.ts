import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK, BlockPool, BlockRope } from '../../../core/recorder/block-pool.ts';

test('bytes come back in order, and the blocks that held them are used again', () => {
  const pool = new BlockPool();
  const memory = new Set<ArrayBufferLike>();
  for (let round = 0; round < 50; round++) {
    const rope = new BlockRope(pool);
    const chunks = [1, 13, 700, BLOCK, 3 * BLOCK + 5, 0, 9].map((size, at) => Buffer.alloc(size, round + at));
    for (const chunk of chunks) rope.add(chunk);
    assert.equal(rope.size, Buffer.concat(chunks).length);
    const parts = rope.take();
    assert.equal(rope.size, 0);
    assert.ok(Buffer.concat(parts).equals(Buffer.concat(chunks)));
    for (const { buffer } of parts) memory.add(buffer);
    pool.give(parts);
  }
  assert.equal(memory.size, 5);
});

test('a pool lends so many blocks and no more; ropes have memory of their own then, of the size of what they hold', () => {
  const pool = new BlockPool();
  const lent: Buffer[] = [];
  for (let block = pool.take(); block; block = pool.take()) lent.push(block);
  assert.equal(lent.length, 128);
  const rope = new BlockRope(pool);
  const bytes = Buffer.alloc(100_000, 'x');
  rope.add(Buffer.from('a'));
  rope.add(bytes);
  const parts = rope.take();
  assert.ok(Buffer.concat(parts).equals(Buffer.concat([Buffer.from('a'), bytes])));
  assert.ok(parts[0]!.buffer.byteLength < 10);
  pool.give(parts);
  assert.equal(pool.take(), null, 'what is not of the pool does not come into it');
  pool.give([lent[0]!.subarray(5, 10)]);
  assert.equal(pool.take()?.length, BLOCK);
});

test('a block that is given back twice is lent once', () => {
  const pool = new BlockPool();
  const block = pool.take()!;
  pool.give([block]);
  pool.give([block]);
  assert.notEqual(pool.take()!.buffer, pool.take()!.buffer);
});
