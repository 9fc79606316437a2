/** Mutated bytes, the same for the same seed. */

/** Mulberry32: a small generator of numbers in [0, 1) that a seed repeats. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const INTERESTING = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 0x0a, 0x0d, 0x20, 0x3f, 0x40, 0xc0];
const LONGEST = 64 * 1024;

type Mutate = (bytes: Buffer, below: (limit: number) => number, other: Buffer) => Buffer;

const MUTATIONS: readonly Mutate[] = [
  (bytes, below) => changed(bytes, below(bytes.length), (byte) => byte ^ (1 << below(8))),
  (bytes, below) => changed(bytes, below(bytes.length), () => below(256)),
  (bytes, below) => changed(bytes, below(bytes.length), () => INTERESTING[below(INTERESTING.length)]!),
  (bytes, below) => bytes.subarray(0, below(bytes.length + 1)),
  (bytes, below) => bytes.subarray(below(bytes.length + 1)),
  (bytes, below) => {
    const at = below(bytes.length + 1);
    const extra = Buffer.from(Array.from({ length: 1 + below(8) }, () => below(256)));
    return Buffer.concat([bytes.subarray(0, at), extra, bytes.subarray(at)]);
  },
  (bytes, below) => {
    const at = below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(8))]);
  },
  (bytes, below) => {
    const from = below(bytes.length + 1);
    const part = bytes.subarray(from, from + 1 + below(32));
    const at = below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
  },
  (bytes, below, other) => Buffer.concat([bytes.subarray(0, below(bytes.length + 1)), other.subarray(below(other.length + 1))]),
];

function changed(bytes: Buffer, at: number, change: (byte: number) => number): Buffer {
  if (bytes.length === 0) return bytes;
  const copy = Buffer.from(bytes);
  copy[at] = change(copy[at]!);
  return copy;
}

/** One mutated input: a seed input with one to six changes. */
export function mutated(inputs: readonly Buffer[], random: () => number): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = (): Buffer => inputs[below(inputs.length)]!;
  let bytes = pick();
  for (let left = 1 + below(6); left > 0; left--) bytes = MUTATIONS[below(MUTATIONS.length)]!(bytes, below, pick());
  return Buffer.from(bytes.subarray(0, LONGEST));
}
