/** Bytes that came and are not read yet; however small the pieces, no byte is copied more than a few times. */
const HEAD_END = '\r\n\r\n';
const SMALLEST_STORE = 4096;

export class Backlog {
  #bytes: Buffer | null = null;
  /** The memory of `#bytes` where it is our own, with room behind them; null where they are a chunk of the network's. */
  #store: Buffer | null = null;
  #storeEnd = 0;
  /** Bytes from the start that hold no end of a head. */
  #searched = 0;

  get length(): number {
    return this.#bytes === null ? 0 : this.#bytes.length;
  }

  /** What is there; valid until the next call of `add`. Chunks cut from it stay as they are. */
  get bytes(): Buffer {
    return this.#bytes ?? EMPTY;
  }

  add(chunk: Buffer): void {
    const before = this.#bytes;
    if (before === null) {
      this.#bytes = chunk;
      return;
    }
    const length = before.length + chunk.length;
    if (this.#store === null || this.#storeEnd + chunk.length > this.#store.length) {
      this.#store = Buffer.allocUnsafeSlow(Math.max(2 * length, SMALLEST_STORE));
      this.#storeEnd = before.copy(this.#store);
    }
    chunk.copy(this.#store, this.#storeEnd);
    this.#storeEnd += chunk.length;
    this.#bytes = this.#store.subarray(this.#storeEnd - length, this.#storeEnd);
  }

  /** Drops so many bytes from the start. */
  take(count: number): void {
    this.#searched = 0;
    if (this.#bytes === null || count < this.#bytes.length) this.#bytes = this.#bytes?.subarray(count) ?? null;
    else this.clear();
  }

  clear(): void {
    this.#bytes = null;
    this.#store = null;
    this.#searched = 0;
  }

  /** Where the first head ends, without its final empty line; -1 where it has not come whole. */
  headEnd(): number {
    if (this.#bytes === null) return -1;
    const end = this.#bytes.indexOf(HEAD_END, Math.max(0, this.#searched - HEAD_END.length + 1), 'latin1');
    this.#searched = this.#bytes.length;
    return end;
  }
}

const EMPTY = Buffer.alloc(0);
