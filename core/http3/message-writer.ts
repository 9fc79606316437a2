/**
 * Writes one message to a stream. Small pieces of one turn go out together, and the end is always carried by bytes: by the last
 * section, or by a reserved frame without a payload.
 */
import type { QuicStream } from '../quic/connection.ts';
import { ENDING, dataHeader } from './frame.ts';

/** Bytes from which on a piece of a body is written by itself, without being copied. */
const LARGE = 8 * 1024;

export class MessageWriter {
  readonly #stream: QuicStream;
  #pieces: Buffer[] = [];
  #size = 0;
  #isFull = false;
  #isOver = false;

  constructor(stream: QuicStream) {
    this.#stream = stream;
  }

  /** True where the end has been written, or nothing more will be. */
  get isOver(): boolean {
    return this.#isOver;
  }

  section(frame: Buffer): void {
    if (!this.#isOver) this.#add(frame);
  }

  /** False asks for a pause until `drained`. */
  data(chunk: Buffer): boolean {
    if (this.#isOver || chunk.length === 0) return true;
    this.#add(dataHeader(chunk.length));
    this.#add(chunk);
    return !this.#isFull;
  }

  /** @param last a trailer section, or the section that is all of the message. */
  end(last: Buffer | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream.end(this.#taken(last ?? ENDING));
  }

  drained(): void {
    this.#isFull = false;
  }

  /** Breaks the message off. */
  reset(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pieces = [];
    this.#stream.reset(code);
  }

  #add(piece: Buffer): void {
    if (piece.length >= LARGE) {
      if (this.#size > 0) this.#stream.write(this.#taken(null));
      this.#isFull = !this.#stream.write(piece);
      return;
    }
    if (this.#size === 0) queueMicrotask(this.#flush);
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size >= LARGE) this.#flush();
  }

  readonly #flush = (): void => {
    if (this.#size === 0 || this.#isOver) return;
    this.#isFull = !this.#stream.write(this.#taken(null));
  };

  #taken(last: Buffer | null): Buffer {
    const pieces = this.#pieces;
    if (last) pieces.push(last);
    this.#pieces = [];
    this.#size = 0;
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }
}
