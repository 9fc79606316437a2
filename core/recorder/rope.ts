/** A chunk at least this long is kept by reference; shorter ones are gathered into blocks. Bytes. */
const BY_REFERENCE = 16 * 1024;
const FIRST_BLOCK = 4 * 1024;
const LARGEST_BLOCK = 64 * 1024;

/**
 * Bytes in the order in which they came. Long chunks are kept by reference and must not be changed afterwards.
 * Short ones are copied together: a body that comes a byte at a time would else cost an object for each,
 * and each would pin the whole socket buffer that it is a slice of. The very first chunk is kept as it is,
 * since most bodies have no second; it pins one socket read at most.
 */
export class Rope {
  /** Bytes held. */
  size = 0;
  #parts: Buffer[] = [];
  #block: Buffer | null = null;
  #used = 0;

  add(chunk: Buffer): void {
    const first = this.size === 0;
    this.size += chunk.length;
    if (first || (chunk.length >= BY_REFERENCE && chunk.buffer.byteLength <= 2 * chunk.length)) {
      this.#seal();
      this.#parts.push(chunk);
      return;
    }
    if (this.#block === null || this.#block.length - this.#used < chunk.length) {
      this.#seal();
      const wanted = Math.min(LARGEST_BLOCK, Math.max(FIRST_BLOCK, this.size));
      this.#block = Buffer.allocUnsafeSlow(Math.max(wanted, chunk.length));
      this.#used = 0;
    }
    this.#block.set(chunk, this.#used);
    this.#used += chunk.length;
  }

  /** The parts in order. Nothing is copied; the rope may be added to afterwards. */
  parts(): readonly Buffer[] {
    this.#seal();
    return this.#parts;
  }

  /** The parts in order, after which the rope is empty. */
  take(): Buffer[] {
    this.#seal();
    const parts = this.#parts;
    this.#parts = [];
    this.size = 0;
    return parts;
  }

  /** All bytes in one buffer, copied only where there is more than one part. */
  bytes(): Buffer {
    const parts = this.parts();
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, this.size);
  }

  /** Ends the block under way; what is left of it is not used. */
  #seal(): void {
    if (this.#block === null) return;
    this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = null;
  }
}
