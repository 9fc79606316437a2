/** Reads the frames of one direction of a WebSocket (RFC 6455, section 5) as they pass, however they are cut. */

export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

/** Two bytes, a length of eight more and a mask. */
const LONGEST_HEAD = 14;
/** The most that a control frame may carry (RFC 6455, section 5.5). Bytes. */
export const MAX_CONTROL = 125;

export interface FrameHead {
  /** The last one of its message. */
  readonly fin: boolean;
  /** The three reserved bits; 4 is RSV1. */
  readonly reserved: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** Bytes of the payload; beyond 2⁵³ not exact, and without an end. */
  readonly length: number;
}

export interface FrameHandler {
  /** False where nobody will look at the payload: it is handed on masked, for its length alone. May throw a `FrameFault`. */
  onFrame(head: FrameHead): boolean;
  /** A part of the payload, unmasked; a slice of what was read where it had no mask. Never empty. */
  onPayload(chunk: Buffer): void;
  onFrameEnd(): void;
}

/** What no endpoint may send. Nothing after it can be told apart. */
export class FrameFault extends Error {}

export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #head = Buffer.alloc(LONGEST_HEAD);
  #headSize = 0;
  /** Bytes of the payload still to come; -1 between frames. */
  #left = -1;
  /** The four bytes of the mask as they stand in memory, turned to the next byte; zero for none. */
  readonly #mask = new Uint8Array(4);
  #unmask = false;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** True between two frames. */
  get isBetween(): boolean {
    return this.#left === -1 && this.#headSize === 0;
  }

  /** Throws a `FrameFault`; then it must not be called again. */
  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === -1) {
        at = this.#readHead(chunk, at);
        continue;
      }
      const end = Math.min(chunk.length, at + this.#left);
      const part = chunk.subarray(at, end);
      this.#handler.onPayload(this.#unmask ? this.#unmasked(part) : part);
      this.#left -= part.length;
      at = end;
      if (this.#left === 0) this.#endFrame();
    }
  }

  #readHead(chunk: Buffer, from: number): number {
    const head = this.#head;
    let at = from;
    let wanted = headSize(head, this.#headSize);
    while (this.#headSize < wanted && at < chunk.length) {
      head[this.#headSize++] = chunk[at++]!;
      wanted = headSize(head, this.#headSize);
    }
    if (this.#headSize === wanted) this.#begin(wanted);
    return at;
  }

  #begin(size: number): void {
    const head = this.#head;
    const masked = (head[1]! & 0x80) !== 0;
    const short = head[1]! & 0x7f;
    if (short === 127 && (head[2]! & 0x80) !== 0) throw new FrameFault('a length has its highest bit set');
    const length = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : head.readUInt32BE(2) * 2 ** 32 + head.readUInt32BE(6);
    this.#headSize = 0;
    const looked = this.#handler.onFrame({ fin: (head[0]! & 0x80) !== 0, reserved: (head[0]! >> 4) & 0x7, opcode: head[0]! & 0xf, masked, length });
    this.#unmask = masked && looked;
    if (this.#unmask) head.copy(this.#mask, 0, size - 4, size);
    this.#left = length;
    if (length === 0) this.#endFrame();
  }

  #endFrame(): void {
    this.#left = -1;
    this.#handler.onFrameEnd();
  }

  /** A copy, since the bytes are forwarded as they are. Four at a time, in the byte order of the machine. */
  #unmasked(part: Buffer): Buffer {
    const mask = this.#mask;
    const { length } = part;
    const copy = Buffer.allocUnsafeSlow((length + 3) & ~3);
    part.copy(copy);
    const words = new Uint32Array(copy.buffer, 0, copy.length / 4);
    const word = new Uint32Array(mask.buffer)[0]!;
    for (let i = 0; i < words.length; i++) words[i] = words[i]! ^ word;
    const turn = length & 3;
    if (turn !== 0) mask.set([mask[turn]!, mask[(turn + 1) & 3]!, mask[(turn + 2) & 3]!, mask[(turn + 3) & 3]!]);
    return copy.subarray(0, length);
  }
}

/** Bytes of the head, as far as those that are there tell. */
function headSize(head: Buffer, known: number): number {
  if (known < 2) return 2;
  const short = head[1]! & 0x7f;
  return 2 + (short === 127 ? 8 : short === 126 ? 2 : 0) + ((head[1]! & 0x80) === 0 ? 0 : 4);
}
