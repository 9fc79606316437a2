/** The bytes of a long message. They become text piece by piece: a string of megabytes outlives its turn, and V8 collects it late. */
import { isAscii, isUtf8 } from 'node:buffer';
import { BLOCK, type BlockPool } from './block-pool.ts';
import { splitCharacter } from './body-text.ts';

/** Bytes that become text at once; a multiple of three, so that base64 has no padding in between. */
const PIECE = 24 * 1024;
const NOTHING = Buffer.alloc(0);

export class MessageBytes {
  /** Text where all of it is UTF-8 without a NUL. */
  readonly encoding: 'utf8' | 'base64';
  readonly #parts: readonly Buffer[];
  readonly #blocks: BlockPool | null;

  /** @param blocks gets the parts back. @param cut they are only the beginning: a character that is cut in two is left out of a text. */
  constructor(parts: readonly Buffer[], blocks: BlockPool | null, cut = false) {
    this.#parts = parts;
    this.#blocks = blocks;
    this.encoding = isText(parts, cut) ? 'utf8' : 'base64';
  }

  /** All of it, as the record shows it. */
  text(): string {
    const { encoding } = this;
    return [...this.#pieces()].map((piece) => piece.toString(encoding)).join('');
  }

  /** What stands between the quotes of its string in JSON, piece by piece; each is there until the next is asked for. */
  *json(): Generator<Buffer> {
    const { encoding } = this;
    const scratch = this.#blocks?.take() ?? Buffer.allocUnsafeSlow(BLOCK);
    try {
      for (const piece of this.#pieces()) {
        const text = piece.toString(encoding);
        if (encoding === 'utf8') yield Buffer.from(JSON.stringify(text).slice(1, -1));
        else yield scratch.subarray(0, scratch.write(text, 'latin1'));
      }
    } finally {
      this.#blocks?.give([scratch]);
    }
  }

  /** It is not needed any longer. */
  release(): void {
    this.#blocks?.give(this.#parts);
  }

  /** Pieces that become text by themselves: no group of base64 and no character is cut in two. */
  *#pieces(): Generator<Buffer> {
    let rest = NOTHING;
    for (const part of this.#parts) {
      for (let at = 0; at < part.length; at += PIECE) {
        const slice = part.subarray(at, at + PIECE);
        const piece = rest.length === 0 ? slice : Buffer.concat([rest, slice]);
        const whole = piece.length - (this.encoding === 'base64' ? piece.length % 3 : splitCharacter(piece));
        // A copy of a few bytes: a slice would keep all of them.
        rest = whole === piece.length ? NOTHING : Buffer.from(piece.subarray(whole));
        if (whole > 0) yield piece.subarray(0, whole);
      }
    }
    if (rest.length > 0 && this.encoding === 'base64') yield rest;
  }
}

function isText(parts: readonly Buffer[], cut: boolean): boolean {
  if (parts.some((part) => part.includes(0))) return false;
  if (parts.every((part) => isAscii(part))) return true;
  const bytes = Buffer.concat(parts);
  return isUtf8(cut ? bytes.subarray(0, bytes.length - splitCharacter(bytes)) : bytes);
}
