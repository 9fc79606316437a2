/** Bodies of many JSON texts: a line each (ndjson), or each after a record separator (RFC 7464). */

export interface LineOutlet {
  /** A piece of the line under way. */
  data(bytes: Buffer): void;
  /** The line is complete. It is not called for an empty one. */
  line(): void;
}

const LF = 0x0a;
const CR = 0x0d;
const RECORD_SEPARATOR = 0x1e;

export class LineGrammar {
  readonly #out: LineOutlet;
  readonly #separator: number;
  /** What is no part of a line where it is its last byte. */
  readonly #trailing: Buffer;
  #held = false;
  #begun = false;

  constructor(separatedBy: 'line-end' | 'record-separator', out: LineOutlet) {
    this.#out = out;
    this.#separator = separatedBy === 'line-end' ? LF : RECORD_SEPARATOR;
    this.#trailing = Buffer.from([separatedBy === 'line-end' ? CR : LF]);
  }

  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const found = chunk.indexOf(this.#separator, at);
      const end = found === -1 ? chunk.length : found;
      if (end > at) this.#piece(chunk.subarray(at, end));
      if (found !== -1) this.end();
      at = end + 1;
    }
  }

  /** The last line needs no end of its own. */
  end(): void {
    this.#held = false;
    if (!this.#begun) return;
    this.#begun = false;
    this.#out.line();
  }

  #piece(bytes: Buffer): void {
    if (this.#held) this.#data(this.#trailing);
    this.#held = bytes[bytes.length - 1] === this.#trailing[0];
    this.#data(this.#held ? bytes.subarray(0, -1) : bytes);
  }

  #data(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#begun = true;
    this.#out.data(bytes);
  }
}
