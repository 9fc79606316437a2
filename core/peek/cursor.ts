/** Reads what TLS is written in: big-endian integers, and vectors that begin with their length (RFC 8446, section 3). */

/** Reading past the end makes it broken, and whatever is read then is empty. */
export class Cursor {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;
  broken = false;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get left(): number {
    return this.broken ? 0 : this.#end - this.#at;
  }

  uint(size: 1 | 2 | 3): number {
    if (this.left < size) {
      this.broken = true;
      return 0;
    }
    const value = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return value;
  }

  /** A vector with a length prefix of so many bytes. */
  vector(prefix: 1 | 2 | 3): Cursor {
    const length = this.uint(prefix);
    if (this.left < length) this.broken = true;
    const inner = new Cursor(this.#bytes, this.#at, this.broken ? this.#at : this.#at + length);
    inner.broken = this.broken;
    this.#at += length;
    return inner;
  }

  skip(length: number): void {
    if (this.left < length) this.broken = true;
    this.#at += length;
  }

  /** What is left. */
  get rest(): Buffer {
    return this.broken ? this.#bytes.subarray(this.#end) : this.#bytes.subarray(this.#at, this.#end);
  }

  text(): string {
    return this.#bytes.toString('latin1', this.#at, this.#end);
  }

  uint16s(): number[] {
    const values: number[] = [];
    while (this.left >= 2) values.push(this.uint(2));
    return values;
  }
}
