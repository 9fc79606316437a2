import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Backlog } from '../../../core/http1/backlog.ts';
import { Seed } from '../../stage/seed.ts';

describe('a backlog', () => {
  test('holds what was added and not taken, whatever the pieces', () => {
    const seed = new Seed(4);
    for (let run = 0; run < 300; run++) {
      const backlog = new Backlog();
      const kept: { chunk: Buffer; copy: Buffer }[] = [];
      let expected = Buffer.alloc(0);
      for (let step = 0; step < 40; step++) {
        if (seed.chance(0.7)) {
          const chunk = seed.bytes(seed.below(seed.chance(0.1) ? 9000 : 30));
          backlog.add(chunk);
          expected = Buffer.concat([expected, chunk]);
        } else {
          const count = seed.below(expected.length + 1);
          // Who took a chunk keeps it: it must not change under them.
          const chunk = backlog.bytes.subarray(0, count);
          kept.push({ chunk, copy: Buffer.from(chunk) });
          backlog.take(count);
          expected = expected.subarray(count);
        }
        assert.equal(backlog.length, expected.length);
        assert.deepEqual(backlog.bytes, expected);
      }
      for (const { chunk, copy } of kept) assert.deepEqual(chunk, copy);
    }
  });

  test('finds the end of a head, however it is parted', () => {
    const text = 'GET / HTTP/1.1\r\nA: b\r\n\r\nrest\r\n\r\n';
    for (let at = 1; at < text.length; at++) {
      const backlog = new Backlog();
      backlog.add(Buffer.from(text.slice(0, at)));
      const first = backlog.headEnd();
      assert.equal(first, at >= 24 ? 20 : -1);
      backlog.add(Buffer.from(text.slice(at)));
      if (first === -1) assert.equal(backlog.headEnd(), 20);
      backlog.take(24);
      assert.equal(backlog.headEnd(), 4);
    }
    const dribble = new Backlog();
    const ends = Array.from(text.slice(0, 24), (byte) => {
      dribble.add(Buffer.from(byte));
      return dribble.headEnd();
    });
    assert.deepEqual(ends.indexOf(20), 23);
  });

  test('takes many small pieces in little time', () => {
    const backlog = new Backlog();
    const start = performance.now();
    for (let i = 0; i < 200_000; i++) {
      backlog.add(Buffer.from('x'));
      backlog.headEnd();
    }
    assert.equal(backlog.length, 200_000);
    assert.ok(performance.now() - start < 2000);
  });
});
