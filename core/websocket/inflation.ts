/**
 * Undoes `permessage-deflate` (RFC 7692, section 7.2.2) for the record: the messages of one direction in their order,
 * one at a time. Messages that are not compressed wait for their turn with the others.
 */
import { createInflateRaw, type InflateRaw } from 'node:zlib';
import type { DeflateAgreement } from './extensions.ts';

/** What a sender takes off the end of each message. */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);
/** A message that grows beyond this, and by more than `MOST_GROWTH`, is a bomb. Bytes. */
const FREE_SIZE = 16 * 1024 * 1024;
const MOST_GROWTH = 100;
/** Messages that may wait for their turn before the source is to pause: empty ones take no bytes, but their time. */
const MOST_WAITING = 64;

export interface InflationSink {
  /** A part of the message; false asks for a pause until `Inflation.resume`. */
  write(chunk: Buffer): boolean;
}

interface Message {
  readonly sink: InflationSink;
  readonly compressed: boolean;
  /** What came before its turn. */
  readonly early: Buffer[];
  taken: number;
  given: number;
  /** Set when its last byte has come. */
  end: { readonly whole: boolean; readonly done: (whole: boolean) => void } | null;
  /** Its end has been handed to zlib, and zlib is done with it. */
  ending: boolean;
  ended: boolean;
  /** What is left of it cannot be undone. */
  lost: boolean;
}

export class Inflation {
  readonly #agreement: DeflateAgreement;
  readonly #onFault: (reason: string) => void;
  readonly #onDrain: () => void;
  readonly #queue: Message[] = [];
  #inflate: InflateRaw | null = null;
  #broken = false;
  #turning = false;
  #closed = false;

  /**
   * @param onFault is called once; from then on messages are given as they came.
   * @param onDrain is called after each `write` or `end` that returned false, when there is room again.
   */
  constructor(agreement: DeflateAgreement, onFault: (reason: string) => void, onDrain: () => void) {
    this.#agreement = agreement;
    this.#onFault = onFault;
    this.#onDrain = onDrain;
  }

  begin(sink: InflationSink, compressed: boolean): void {
    this.#queue.push({ sink, compressed, early: [], taken: 0, given: 0, end: null, ending: false, ended: false, lost: false });
  }

  /** Bytes of the message begun last. False asks for a pause of the source. */
  write(chunk: Buffer): boolean {
    const message = this.#queue.at(-1)!;
    if (message === this.#queue[0]) return this.#feed(message, chunk);
    message.early.push(chunk);
    return false;
  }

  /**
   * The message begun last is over. False asks for a pause of the source, as `write` does. @param whole false where it was broken off.
   * @param done is called when the sink has all that there is, perhaps in this turn; `whole` tells whether that is all of the message.
   */
  end(whole: boolean, done: (whole: boolean) => void): boolean {
    this.#queue.at(-1)!.end = { whole, done };
    this.#advance();
    return this.#queue.length <= MOST_WAITING;
  }

  /** A sink that asked for a pause has room again. */
  resume(): void {
    this.#inflate?.resume();
    if (this.#queue.length < 2) this.#onDrain();
  }

  /** Lets go of the window. No message may be under way. */
  close(): void {
    this.#closed = true;
    if (this.#queue.length === 0) this.#drop();
  }

  #feed(message: Message, chunk: Buffer): boolean {
    message.taken += chunk.length;
    if (message.lost) return true;
    if (!message.compressed || this.#broken) return message.sink.write(chunk);
    this.#inflate ??= this.#open();
    return this.#inflate.write(chunk);
  }

  /** Ends the first message if its end has come, and goes on to the next. */
  #advance(): void {
    if (this.#turning) return;
    this.#turning = true;
    for (let message = this.#queue[0]; message?.end; message = this.#queue[0]) {
      if (message.ending) break;
      message.ending = true;
      const inflate = message.compressed ? this.#inflate : null;
      if (inflate) {
        inflate.write(message.end.whole ? TAIL : '', () => this.#flushed(message, inflate));
        break;
      }
      this.#shift(message);
    }
    this.#turning = false;
  }

  /** zlib has given all of the message, to the sink or, where that asked for a pause, to the stream's buffer. */
  #flushed(message: Message, inflate: InflateRaw): void {
    if (this.#inflate !== inflate) return;
    message.ended = true;
    if (inflate.readableLength > 0) return;
    // A last block ends the stream of zlib; the sender begins another, which may not look back.
    if (inflate.readableEnded || !this.#agreement.takeover) this.#drop();
    this.#shift(message);
    this.#advance();
  }

  /** The first message is done; the next one's turn begins. */
  #shift(message: Message): void {
    this.#queue.shift();
    message.end!.done(message.end!.whole && !message.lost);
    const next = this.#queue[0];
    if (next) for (const chunk of next.early.splice(0)) this.#feed(next, chunk);
    else if (this.#closed) this.#drop();
    if (this.#queue.length < 2) this.#onDrain();
  }

  #open(): InflateRaw {
    const inflate = createInflateRaw({ windowBits: this.#agreement.windowBits });
    inflate.on('data', (chunk: Buffer) => this.#give(inflate, chunk));
    inflate.on('drain', () => this.#queue.length <= MOST_WAITING && this.#onDrain());
    inflate.on('error', (error: Error) => this.#break(inflate, `a compressed message cannot be undone: ${error.message}`));
    return inflate;
  }

  #give(inflate: InflateRaw, chunk: Buffer): void {
    if (this.#inflate !== inflate) return;
    const message = this.#queue[0]!;
    message.given += chunk.length;
    if (message.given > FREE_SIZE && message.given > message.taken * MOST_GROWTH) {
      return this.#break(inflate, `a compressed message grows more than ${MOST_GROWTH} times`);
    }
    if (!message.sink.write(chunk)) inflate.pause();
    if (message.ended) this.#flushed(message, inflate);
  }

  /** What was given of the message stays; the rest of it, and all that follows, is given as it came. */
  #break(inflate: InflateRaw, reason: string): void {
    if (this.#inflate !== inflate) return;
    this.#broken = true;
    this.#drop();
    this.#onFault(reason);
    const message = this.#queue[0];
    if (message) message.lost = true;
    if (message?.ending) this.#shift(message);
    this.#advance();
    this.#onDrain();
  }

  #drop(): void {
    this.#inflate?.destroy();
    this.#inflate = null;
  }
}
