/**
 * Blocks of memory that are used again and again. A buffer that waits for its message or for the disk outlives its turn;
 * V8 takes it for old then and collects it late, and what passed in a second would be held at once.
 */

/** Bytes of a block. */
export const BLOCK = 64 * 1024;
/** Blocks that a pool lends at most; it keeps those it made. */
const MOST = 128;

export class BlockPool {
  readonly #free: Buffer[] = [];
  readonly #lent = new Map<ArrayBufferLike, Buffer>();

  /** Null where too many are lent already. */
  take(): Buffer | null {
    const block = this.#free.pop() ?? (this.#lent.size < MOST ? Buffer.allocUnsafeSlow(BLOCK) : null);
    if (block) this.#lent.set(block.buffer, block);
    return block;
  }

  /** Takes blocks back of which these are parts; other buffers are let be. Nobody may look at them any longer. */
  give(parts: readonly Buffer[]): void {
    for (const { buffer } of parts) {
      const block = this.#lent.get(buffer);
      if (block === undefined) continue;
      this.#lent.delete(buffer);
      this.#free.push(block);
    }
  }
}

/** Bytes in the order in which they came, copied into the blocks of a pool; into memory of their own where it has none. */
export class BlockRope {
  /** Bytes held. */
  size = 0;
  readonly #pool: BlockPool | null;
  #parts: Buffer[] = [];
  #block: Buffer | null = null;
  #used = 0;

  constructor(pool: BlockPool | null) {
    this.#pool = pool;
  }

  add(chunk: Buffer): void {
    this.size += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      this.#block ??= this.#pool?.take() ?? Buffer.allocUnsafeSlow(Math.min(BLOCK, Math.max(chunk.length - at, this.size)));
      const taken = chunk.copy(this.#block, this.#used, at);
      at += taken;
      this.#used += taken;
      if (this.#used === this.#block.length) this.#seal();
    }
  }

  /** The parts in order, after which the rope is empty; they are to be given back to the pool. */
  take(): Buffer[] {
    this.#seal();
    const parts = this.#parts;
    this.#parts = [];
    this.size = 0;
    return parts;
  }

  /** Ends the block under way; what is left of it is not used. */
  #seal(): void {
    if (this.#block === null) return;
    this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = null;
    this.#used = 0;
  }
}
