/** Random choices that a seed repeats. */
export class Seed {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0 up to 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** An integer from 0 up to, and without, `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }

  /** A copy with a few bytes changed, taken out, put in or doubled. */
  mutated(bytes: Buffer, telling: readonly (string | Buffer)[] = []): Buffer {
    let result = Buffer.from(bytes);
    for (let left = 1 + this.below(4); left > 0; left--) {
      const at = this.below(result.length + 1);
      const kind = this.below(5);
      const piece = telling.length > 0 && this.chance(0.5) ? Buffer.from(this.pick(telling) as string, 'latin1') : this.bytes(1 + this.below(3));
      if (kind === 0 && at < result.length) result[at] = this.below(256);
      else if (kind === 1) result = Buffer.concat([result.subarray(0, at), piece, result.subarray(at)]);
      else if (kind === 2) result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + this.below(4))]);
      else if (kind === 3) result = Buffer.concat([result.subarray(0, at), result.subarray(Math.max(0, at - this.below(16)))]);
      else result = result.subarray(0, Math.max(1, at));
    }
    return result;
  }
}
