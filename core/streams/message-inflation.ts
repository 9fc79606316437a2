/** One message that came compressed by itself: uncompressed for the record, and no more than its bytes are worth. */
import type { DataRecord } from '../record-parts.ts';
import type { CaptureSettings } from '../recorder/body-capture.ts';
import { createDecoder, decodeNow, type ContentCoding } from '../recorder/content-coding.ts';
import { MessageCapture } from '../recorder/data-capture.ts';
import type { MessageBytes } from '../recorder/message-bytes.ts';
import { isBomb } from './decoding.ts';

/** Messages up to this size are uncompressed at once, where they give no more than that. Bytes. */
const NOW = 16 * 1024;
const DECODED_NOW = 256 * 1024;

/** Takes a message down; `MessageCapture` is another. */
export interface MessageTaker {
  onDrain: (() => void) | null;
  readonly size: number;
  write(chunk: Buffer): boolean;
  finish(done: (data: DataRecord, bytes: MessageBytes | null) => void): void;
  /** In the place of `finish`: the message never becomes whole. */
  drop(): void;
}

export class MessageInflation implements MessageTaker {
  onDrain: (() => void) | null = null;
  readonly #coding: ContentCoding;
  readonly #capture: MessageCapture;
  readonly #seen: (bytes: Buffer) => void;
  #beginning: Buffer[] = [];
  #encoded = 0;
  #decoded = 0;
  #decoder: ReturnType<typeof createDecoder> | null = null;
  #isOver = false;
  #isCut = false;
  #done: ((data: DataRecord, bytes: MessageBytes | null) => void) | null = null;

  /** @param seen is shown what comes out. */
  constructor(coding: ContentCoding, settings: CaptureSettings, seen: (bytes: Buffer) => void) {
    this.#seen = seen;
    this.#coding = coding;
    this.#capture = new MessageCapture(settings);
    this.#capture.onDrain = () => this.#decoder?.resume();
  }

  /** Bytes of the message, uncompressed. */
  get size(): number {
    return this.#capture.size;
  }

  write(chunk: Buffer): boolean {
    this.#encoded += chunk.length;
    if (this.#isOver) return true;
    if (this.#decoder) return this.#decoder.write(chunk);
    this.#beginning.push(chunk);
    return this.#encoded <= NOW || this.#feed(Buffer.concat(this.#beginning));
  }

  finish(done: (data: DataRecord, bytes: MessageBytes | null) => void): void {
    this.#done = done;
    if (this.#isOver) return this.#settle();
    if (!this.#decoder) {
      const bytes = Buffer.concat(this.#beginning);
      const whole = decodeNow(bytes, [this.#coding], DECODED_NOW);
      if (whole) {
        this.#keep(whole);
        return this.#settle();
      }
      this.#feed(bytes);
    }
    this.#decoder!.end();
  }

  drop(): void {
    this.#isOver = true;
    this.#beginning = [];
    this.#decoder?.destroy();
    this.#capture.drop();
  }

  #feed(bytes: Buffer): boolean {
    const decoder = createDecoder(this.#coding, bytes);
    this.#decoder = decoder;
    this.#beginning = this.#encoded <= NOW ? [bytes] : [];
    decoder.on('data', (chunk: Buffer) => {
      if (this.#isOver) return;
      this.#decoded += chunk.length;
      if (isBomb(this.#encoded, this.#decoded)) this.#break();
      else if (!this.#keep(chunk)) decoder.pause();
    });
    decoder.on('drain', () => this.onDrain?.());
    decoder.on('end', () => this.#end());
    decoder.on('error', () => this.#break());
    return decoder.write(bytes);
  }

  #keep(bytes: Buffer): boolean {
    this.#seen(bytes);
    return this.#capture.write(bytes);
  }

  /** Not what it is said to be, or too much of it: what came before stands, or else the bytes as they are. */
  #break(): void {
    if (this.#isOver) return;
    if (this.#decoded === 0 && this.#beginning.length > 0) this.#keep(this.#beginning[0]!);
    else this.#isCut = true;
    this.#decoder!.destroy();
    this.#end();
    this.onDrain?.();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#done) this.#settle();
  }

  #settle(): void {
    this.#isOver = true;
    this.#beginning = [];
    this.#capture.finish((data, bytes) => this.#done!(this.#isCut ? { ...data, data_truncated: true } : data, bytes));
  }
}
