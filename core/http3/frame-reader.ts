/** Takes the bytes of a stream apart into frames (RFC 9114, section 7.1). It can be held at any byte, and goes on from there. */
import { FRAME } from './frame.ts';
import { H3, Http3ConnectionError } from './error-code.ts';
import { readVarint, varintSize } from './varint.ts';

export interface FrameSink {
  /** A frame begins; throws where it has no place. What is to become of it: `skip`, or bytes of it that are kept, at most. */
  onFrameBegin(type: number): 'skip' | number;
  /** A piece of a DATA frame. */
  onPiece(piece: Buffer): void;
  /** A frame that was kept, whole; null where it is longer than was to be kept. The payload is valid in this turn only. */
  onFrame(type: number, payload: Buffer | null): void;
}

/** Bytes of type and length at most. */
const LONGEST_HEADER = 16;
const NOTHING = Buffer.alloc(0);

export class FrameReader {
  readonly #sink: FrameSink;
  /** What came of a type and length that are not whole, or of a payload that is kept. */
  #partial: Buffer = NOTHING;
  #partialSize = 0;
  #type = -1;
  /** Bytes of the payload that are still to come. */
  #left = 0;
  #mode: 'header' | 'pieces' | 'keep' | 'skip' | 'overlong' = 'header';
  #held = false;
  #rest: Buffer[] = [];

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** True where everything that came has been given on, and what came ends with a frame. */
  get isBetweenFrames(): boolean {
    return this.#mode === 'header' && this.#partialSize === 0 && this.#rest.length === 0;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** True where bytes wait for `release`. */
  get hasRest(): boolean {
    return this.#rest.length > 0;
  }

  hold(): void {
    this.#held = true;
  }

  /** Goes on with what was held back. It may be held again by the sink. */
  release(): void {
    this.#held = false;
    while (!this.#held && this.#rest.length > 0) this.#read(this.#rest.shift()!);
  }

  /** Forgets everything. */
  clear(): void {
    this.#rest = [];
    this.#partial = NOTHING;
  }

  push(chunk: Buffer): void {
    if (this.#held) this.#rest.push(chunk);
    else this.#read(chunk);
  }

  #read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#held) {
        this.#rest.unshift(chunk.subarray(at));
        return;
      }
      at = this.#mode === 'header' ? this.#header(chunk, at) : this.#payload(chunk, at);
    }
  }

  #header(chunk: Buffer, at: number): number {
    if (this.#partialSize === 0) {
      const size = headerSize(chunk, at, chunk.length);
      if (size > 0) {
        this.#begin(chunk, at);
        return at + size;
      }
      this.#partial = Buffer.allocUnsafe(LONGEST_HEADER);
    }
    this.#partial[this.#partialSize++] = chunk[at++]!;
    if (headerSize(this.#partial, 0, this.#partialSize) > 0) {
      this.#partialSize = 0;
      this.#begin(this.#partial, 0);
    }
    return at;
  }

  #begin(bytes: Buffer, at: number): void {
    const type = readVarint(bytes, at);
    const length = readVarint(bytes, at + varintSize(bytes[at]!));
    const fate = this.#sink.onFrameBegin(type);
    this.#type = type;
    this.#left = length;
    this.#partialSize = 0;
    this.#partial = NOTHING;
    this.#mode = type === FRAME.data ? 'pieces' : fate === 'skip' ? 'skip' : length > fate ? 'overlong' : 'keep';
    if (length === 0) this.#end(NOTHING);
  }

  #payload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    const size = end - at;
    this.#left -= size;
    if (this.#mode === 'pieces') {
      // The mode first: the sink may hold us, and look at where we are.
      if (this.#left === 0) this.#mode = 'header';
      this.#sink.onPiece(chunk.subarray(at, end));
    } else if (this.#mode !== 'keep') {
      if (this.#left === 0) this.#end(null);
    } else if (this.#partialSize === 0 && this.#left === 0) {
      this.#end(chunk.subarray(at, end));
    } else {
      this.#keep(chunk, at, end);
      if (this.#left === 0) this.#end(this.#partial.subarray(0, this.#partialSize));
    }
    return end;
  }

  /** Grows with what has come, not with what was announced. */
  #keep(chunk: Buffer, at: number, end: number): void {
    const size = this.#partialSize + end - at;
    if (size > this.#partial.length) {
      const larger = Buffer.allocUnsafe(Math.min(Math.max(2 * size, 256), size + this.#left));
      this.#partial.copy(larger, 0, 0, this.#partialSize);
      this.#partial = larger;
    }
    chunk.copy(this.#partial, this.#partialSize, at, end);
    this.#partialSize = size;
  }

  #end(payload: Buffer | null): void {
    const mode = this.#mode;
    this.#mode = 'header';
    this.#partialSize = 0;
    if (mode === 'keep') this.#sink.onFrame(this.#type, payload);
    else if (mode === 'overlong') this.#sink.onFrame(this.#type, null);
  }
}

/** Bytes of a frame's type and length; 0 where they are not all there. */
function headerSize(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return 0;
  const type = varintSize(bytes[at]!);
  if (at + type >= end) return 0;
  const size = type + varintSize(bytes[at + type]!);
  return at + size <= end ? size : 0;
}

/** A stream ended within a frame (RFC 9114, section 7.1). */
export function cutOff(): Http3ConnectionError {
  return new Http3ConnectionError(H3.frameError, 'a stream ended within a frame');
}
