/** LZ4's legacy frame against the program that packs kernels, and against damage. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { unpackLz4 } from '../../../../../plugins/engines/qemu/kernel/lz4.ts';
import { Seed } from '../../../../stage/seed.ts';

const MiB = 1024 * 1024;

function packed(bytes: Buffer, level = '-9'): Buffer {
  const { status, stdout, stderr } = spawnSync('lz4', ['-l', level, '-c', '-'], { input: bytes, maxBuffer: 64 * MiB, timeout: 20_000 });
  assert.equal(status, 0, stderr.toString());
  return stdout;
}

/** Runs of every length, repeats at every distance, and noise. */
function mixture(seed: Seed, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const length = Math.min(size - at, 1 + seed.below(seed.chance(0.1) ? 5000 : 40));
    const kind = seed.below(3);
    if (kind === 0) bytes.fill(seed.below(256), at, at + length);
    else if (kind === 1 && at > 0) for (let i = 0, from = seed.below(at); i < length; i++) bytes[at + i] = bytes[from + (i % (at - from))]!;
    else seed.bytes(length).copy(bytes, at);
    at += length;
  }
  return bytes;
}

test('what lz4 packs is unpacked to the same bytes', () => {
  const seed = new Seed(1);
  const cases = [Buffer.alloc(1), Buffer.from('a'), Buffer.alloc(100_000, 'x'), seed.bytes(70_000), ...Array.from({ length: 40 }, () => mixture(seed, 1 + seed.below(60_000)))];
  for (const level of ['-1', '-9']) for (const bytes of cases) assert.deepEqual(unpackLz4(packed(bytes, level), bytes.length), bytes);
});

test('more than one block, and more than one frame', () => {
  const bytes = mixture(new Seed(2), 17 * MiB);
  assert.ok(unpackLz4(packed(bytes, '-1'), bytes.length).equals(bytes), 'three blocks of 8 MiB at most');
  const [first, second] = [mixture(new Seed(3), 5000), mixture(new Seed(4), 7000)];
  assert.deepEqual(unpackLz4(Buffer.concat([packed(first), packed(second)]), 12_000), Buffer.concat([first, second]));
});

test('a size that is not that of the data is refused', () => {
  const bytes = mixture(new Seed(5), 10_000);
  for (const size of [0, 9999, 10_001]) assert.throws(() => unpackLz4(packed(bytes), size), /LZ4/);
});

test('damage is refused in words, and never read or written beyond its block', () => {
  const seed = new Seed(6);
  const bytes = mixture(seed, 20_000);
  const whole = packed(bytes);
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    try {
      assert.equal(unpackLz4(seed.mutated(whole), bytes.length).length, bytes.length);
    } catch (error) {
      assert.match((error as Error).message, /LZ4/, `round ${round}`);
      refused++;
    }
  }
  assert.ok(refused > 1000, `${refused} of 3000`);
  for (let length = 0; length < whole.length; length += 97) assert.throws(() => unpackLz4(whole.subarray(0, length), bytes.length), /LZ4/);
});
