/** Walks the records of one direction of TLS (RFC 8446, section 5.1), in pieces as they come; nothing is kept but a header cut in two. */

const HEADER = 5;
/** A fragment with all that encryption may add (RFC 5246, section 6.2.3). */
const MAX_FRAGMENT = 16_384 + 2048;

export const CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

export interface RecordHandler {
  /** `length` bytes of a fragment follow. */
  onRecord(type: number, length: number): void;
  /** A piece of the fragment. */
  onFragment(type: number, piece: Buffer): void;
}

export class RecordLayer {
  readonly #handler: RecordHandler;
  readonly #header = Buffer.alloc(HEADER);
  #have = 0;
  #left = 0;
  #broken = false;

  constructor(handler: RecordHandler) {
    this.#handler = handler;
  }

  /** True once something came that is no record; whatever follows is not looked at. */
  get isBroken(): boolean {
    return this.#broken;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#broken) {
      if (this.#left > 0) {
        const piece = chunk.subarray(at, at + this.#left);
        at += piece.length;
        this.#left -= piece.length;
        this.#handler.onFragment(this.#header[0]!, piece);
        continue;
      }
      const taken = chunk.copy(this.#header, this.#have, at, at + HEADER - this.#have);
      at += taken;
      this.#have += taken;
      if (this.#have === HEADER) this.#begin();
    }
  }

  #begin(): void {
    this.#have = 0;
    const type = this.#header[0]!;
    const length = this.#header.readUInt16BE(3);
    if (type < CONTENT.changeCipherSpec || type > CONTENT.applicationData + 1 || this.#header[1] !== 3 || length > MAX_FRAGMENT) {
      this.#broken = true;
      return;
    }
    this.#left = length;
    this.#handler.onRecord(type, length);
  }
}
