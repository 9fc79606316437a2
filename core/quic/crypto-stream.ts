/** Puts a handshake message together from the CRYPTO frames of Initial packets, in whatever order they come (RFC 9000, section 19.6). */
import { readVarint } from './packet.ts';

const FRAME = { padding: 0, ping: 1, ack: 2, ackWithEcn: 3, crypto: 6, close: 0x1c } as const;
/** Bytes of a handshake message. */
const MAX_BYTES = 64 * 1024;
/** Pieces that wait for one before them. */
const MAX_PIECES = 256;

export class CryptoStream {
  #whole: Buffer = Buffer.alloc(0);
  #waiting: { readonly offset: number; readonly data: Buffer }[] = [];

  /** What has come without a gap. */
  get bytes(): Buffer {
    return this.#whole;
  }

  /** Takes the frames of one packet. False where they break the grammar or a bound. */
  take(frames: Buffer): boolean {
    for (let at = 0; at < frames.length; ) {
      const next = this.#frame(frames, at);
      if (next === null) return false;
      at = next;
    }
    return this.#join();
  }

  /** Where the frame at `at` ends. */
  #frame(frames: Buffer, at: number): number | null {
    const type = frames[at]!;
    if (type === FRAME.padding || type === FRAME.ping) return at + 1;
    if (type === FRAME.ack || type === FRAME.ackWithEcn) return ackEnd(frames, at + 1, type === FRAME.ackWithEcn);
    // Whatever follows a close, no hello will.
    if (type !== FRAME.crypto) return null;
    const offset = readVarint(frames, at + 1);
    const length = offset && readVarint(frames, offset.end);
    if (!offset || !length || length.value > frames.length - length.end || offset.value + length.value > MAX_BYTES) return null;
    if (length.value > 0) this.#waiting.push({ offset: offset.value, data: Buffer.from(frames.subarray(length.end, length.end + length.value)) });
    return this.#waiting.length > MAX_PIECES ? null : length.end + length.value;
  }

  #join(): boolean {
    this.#waiting.sort((a, b) => a.offset - b.offset);
    const parts = [this.#whole];
    let have = this.#whole.length;
    let used = 0;
    for (const { offset, data } of this.#waiting) {
      if (offset > have) break;
      used++;
      if (offset + data.length <= have) continue;
      parts.push(data.subarray(have - offset));
      have = offset + data.length;
    }
    this.#waiting.splice(0, used);
    if (parts.length > 1) this.#whole = Buffer.concat(parts);
    return true;
  }
}

function ackEnd(frames: Buffer, at: number, withEcn: boolean): number | null {
  let end = at;
  const next = (): number | null => {
    const read = readVarint(frames, end);
    if (read) end = read.end;
    return read && read.value;
  };
  // Largest, delay, count of ranges, first range; then a gap and a length each.
  if (next() === null || next() === null) return null;
  const ranges = next();
  if (ranges === null || ranges > frames.length) return null;
  for (let left = 1 + 2 * ranges + (withEcn ? 3 : 0); left > 0; left--) if (next() === null) return null;
  return end;
}
