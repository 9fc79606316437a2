/**
 * Reads one message from a request stream (RFC 9114, section 4.1): sections and DATA in their order, the length against what was
 * announced, and the end. A head is given on as soon as it is known whether anything follows it.
 */
import { MAX_HEAD_BYTES } from '../http1/head.ts';
import type { Headers } from '../headers.ts';
import { H3, Http3StreamError } from './error-code.ts';
import { FRAME, refuseOnRequestStream, unexpected } from './frame.ts';
import { FrameReader, cutOff, type FrameSink } from './frame-reader.ts';
import { malformed, trailers } from './message-fields.ts';
import type { QpackDecoder } from './qpack-decoder.ts';

export interface MessageSource {
  readonly id: number;
  pause(): void;
  resume(): void;
}

export interface MessageEvents {
  /** A section before the end of heads; true where it was an interim response and another head follows. */
  isInterim(fields: string[]): boolean;
  /** Returns the bytes that the body is to have, null where nothing was said. */
  onHead(fields: string[], hasBody: boolean): number | null;
  onBody(piece: Buffer): void;
  onMessageEnd(trailers: Headers | null): void;
  /** Is given what was thrown: what is wrong with the stream, or with the connection. */
  onFault(error: unknown): void;
}

export class MessageReader implements FrameSink {
  readonly #source: MessageSource;
  readonly #decoder: QpackDecoder;
  #events: MessageEvents;
  readonly #fromServer: boolean;
  readonly #frames = new FrameReader(this);
  #head: string[] | null = null;
  #trailers: Headers | null = null;
  #state: 'head' | 'body' | 'trailers' | 'over' = 'head';
  /** Bytes of the body that are still to come by what was announced. */
  #announced: number | null = null;
  #heldByOwner = false;
  #heldByQpack = false;
  #isTunnel = false;
  #ended = false;

  constructor(source: MessageSource, decoder: QpackDecoder, fromServer: boolean, events: MessageEvents) {
    this.#source = source;
    this.#decoder = decoder;
    this.#fromServer = fromServer;
    this.#events = events;
  }

  /** True where the message is whole, or will not be read further. */
  get isOver(): boolean {
    return this.#state === 'over';
  }

  push(chunk: Buffer): void {
    if (this.#state === 'over') return;
    this.#guarded(() => this.#frames.push(chunk));
    // What follows in this turn, the end above all, tells what the head is of.
    if (this.#head) queueMicrotask(this.#giveHead);
  }

  end(): void {
    this.#ended = true;
    this.#guarded(() => this.#finish());
  }

  pause(): void {
    this.#heldByOwner = true;
    this.#hold();
  }

  resume(): void {
    if (!this.#heldByOwner) return;
    this.#heldByOwner = false;
    this.#release();
  }

  /** What follows the head are the bytes of a tunnel (section 4.4), and others are told of them. To be called by `onHead`. */
  becomeTunnel(events: MessageEvents): void {
    this.#events = events;
    this.#isTunnel = true;
  }

  /** Nothing more of the message is wanted. */
  abandon(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#frames.clear();
    this.#decoder.cancel(this.#source.id);
  }

  onFrameBegin(type: number): 'skip' | number {
    // Who abandons the message in the midst of a chunk does not want the rest of it.
    if (this.#state === 'over') return 'skip';
    if (type === FRAME.headers) {
      if (this.#state === 'trailers' || this.#isTunnel) throw unexpected(type);
      return MAX_HEAD_BYTES;
    }
    if (type === FRAME.data) {
      if (this.#state !== 'body') throw unexpected(type);
      this.#giveHead(true);
      return 0;
    }
    refuseOnRequestStream(type, this.#fromServer);
    return 'skip';
  }

  onPiece(piece: Buffer): void {
    if (this.#state === 'over') return;
    if (this.#announced !== null && (this.#announced -= piece.length) < 0) throw malformed('the body is longer than its content-length');
    this.#events.onBody(piece);
  }

  onFrame(_type: number, payload: Buffer | null): void {
    if (this.#state === 'over') return;
    if (payload === null) throw tooLarge();
    this.#heldByQpack = true;
    this.#decoder.decode(this.#source.id, payload, (fields) => {
      this.#heldByQpack = false;
      if (!this.#frames.isHeld) return this.#section(fields);
      this.#guarded(() => this.#section(fields));
      this.#release();
      if (this.#head) queueMicrotask(this.#giveHead);
    });
    if (this.#heldByQpack) this.#hold();
  }

  #section(fields: string[] | null): void {
    if (this.#state === 'over') return;
    if (fields === null) throw tooLarge();
    if (this.#state === 'body') {
      this.#giveHead(true);
      if (this.#isTunnel) throw unexpected(FRAME.headers);
      this.#trailers = trailers(fields);
      this.#state = 'trailers';
    } else if (!this.#events.isInterim(fields)) {
      this.#head = fields;
      this.#state = 'body';
    }
  }

  readonly #giveHead = (hasBody: unknown = true): void => {
    const head = this.#head;
    if (!head || this.#state === 'over') return;
    this.#head = null;
    this.#guarded(() => (this.#announced = this.#events.onHead(head, hasBody !== false)));
  };

  #hold(): void {
    if (this.#frames.isHeld) return;
    this.#frames.hold();
    this.#source.pause();
  }

  #release(): void {
    if (this.#heldByOwner || this.#heldByQpack || !this.#frames.isHeld || this.#state === 'over') return;
    this.#guarded(() => this.#frames.release());
    if (this.#frames.isHeld) return;
    this.#source.resume();
    if (this.#ended) this.#guarded(() => this.#finish());
  }

  #finish(): void {
    if (this.#state === 'over' || this.#frames.hasRest || this.#heldByQpack) return;
    if (!this.#frames.isBetweenFrames) throw cutOff();
    if (this.#state === 'head') throw new Http3StreamError(H3.requestIncomplete, 'the stream ended before a head');
    const isBare = this.#head !== null && this.#state === 'body';
    if (isBare) this.#giveHead(false);
    if (this.isOver || (this.#heldByOwner && !isBare)) return;
    if (this.#announced !== null && this.#announced > 0) throw malformed('the body is shorter than its content-length');
    this.#state = 'over';
    this.#events.onMessageEnd(this.#trailers);
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#events.onFault(error);
    }
  }
}

function tooLarge(): Http3StreamError {
  return new Http3StreamError(H3.excessiveLoad, `a field section is larger than ${MAX_HEAD_BYTES} bytes`);
}
