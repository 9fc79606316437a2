/** Reads the integers and strings of QPACK (RFC 9204, section 4.1) out of bytes, of which the last may be missing still. */
import { readHuffman } from './huffman.ts';

/** No index, length or count of a sound peer is larger. */
const MAX_INTEGER = 2 ** 28;

/** Where `integer` stands for one that is not whole. */
export const UNFINISHED = -1;
/** Where it stands for one that no sound peer sends. */
export const OVERLARGE = -2;

export class InstructionReader {
  at = 0;
  end = 0;
  #source: Buffer = Buffer.alloc(0);
  #scratch = Buffer.allocUnsafeSlow(512);

  begin(source: Buffer): void {
    this.#source = source;
    this.at = 0;
    this.end = source.length;
  }

  get isDone(): boolean {
    return this.at >= this.end;
  }

  /** The byte at hand, which stays. */
  get first(): number {
    return this.#source[this.at]!;
  }

  /** An integer in the last bits of the byte at hand (RFC 7541, section 5.1), `UNFINISHED`, or `OVERLARGE`. */
  integer(bits: number): number {
    if (this.at >= this.end) return UNFINISHED;
    const most = (1 << bits) - 1;
    let value = this.#source[this.at++]! & most;
    if (value < most) return value;
    for (let factor = 1; this.at < this.end; factor *= 128) {
      const octet = this.#source[this.at++]!;
      value += (octet & 0x7f) * factor;
      if (value > MAX_INTEGER) return OVERLARGE;
      if (octet < 0x80) return value;
      // Zeros without end would be an integer too.
      if (factor > MAX_INTEGER) return OVERLARGE;
    }
    return UNFINISHED;
  }

  /** The bytes of a string whose length stands in the last bits of the byte at hand, below the bit that tells its code; null where they are not all there, or there is no sense in them: see `fault`. */
  string(bits: number, longest: number): string | null {
    this.fault = null;
    if (this.at >= this.end) return null;
    const isHuffman = (this.first & (1 << bits)) !== 0;
    const length = this.integer(bits);
    if (length === UNFINISHED) return null;
    if (length === OVERLARGE || length > longest) return this.#faulty('a string is too long');
    const start = this.at;
    if (start + length > this.end) return null;
    this.at += length;
    if (!isHuffman) return this.#source.toString('latin1', start, this.at);
    const room = Math.ceil(length * 1.6);
    if (room > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(room * 2);
    const size = readHuffman(this.#source, start, this.at, this.#scratch);
    return size < 0 ? this.#faulty('a string is in no Huffman code') : this.#scratch.toString('latin1', 0, size);
  }

  /** Why the last `string` gave null; null itself where bytes are missing. */
  fault: string | null = null;

  #faulty(reason: string): null {
    this.fault = reason;
    return null;
  }
}
