import { createHash, hash, type Hash } from 'node:crypto';
import type { Headers } from '../headers.ts';
import type { BodyRecord } from '../record.ts';
import type { BodyStore } from './bodies.ts';
import type { BodyReader } from './body-text.ts';
import { Rope } from './rope.ts';
import type { Spool } from './spool.ts';

/** Shorter bodies are hashed in one call at the end, longer ones as they pass. Bytes. */
const HASH_AT_ONCE = 64 * 1024;

/** What all captures of a job share. */
export interface CaptureSettings {
  /** Bytes of a body that the record's line shows. */
  readonly limit: number;
  /** `none` counts the bytes and keeps nothing, no hash either: the hash of a short secret gives it away. */
  readonly keep: 'whole' | 'none';
  /** Bytes of each direction of a connection without messages, and of a datagram, that the record shows; none where it is left out, and where no bodies are kept. */
  readonly beginning?: number;
  readonly reader: BodyReader;
  /** Where longer bodies go whole; null keeps their beginning only. */
  readonly store: BodyStore | null;
}

/** One direction of a flow: what its body was, taken down while it is forwarded. Memory is bounded by the limit. */
export class BodyCapture {
  /** Bytes that have passed, after transfer coding and before any decoding. */
  size = 0;
  /** Called once after each `write` that returned false, when there is room again. Set it before the first `write`. */
  onDrain: (() => void) | null = null;
  readonly #settings: CaptureSettings;
  /** The only chunk so far; most bodies have one. */
  #first: Buffer | null = null;
  #rope: Rope | null = null;
  #hash: Hash | null = null;
  #spool: Spool | null = null;
  #overflowed = false;
  #sha256: string | null = null;
  #ended = false;
  /** Undefined while the file is under way. */
  #file: string | null | undefined = null;
  #onFile: (() => void) | null = null;

  constructor(settings: CaptureSettings) {
    this.#settings = settings;
  }

  /**
   * Takes a chunk as it is forwarded. It is kept by reference and must not be changed afterwards.
   * False asks for a pause of the source until `onDrain`; the chunk has been taken all the same.
   */
  write(chunk: Buffer): boolean {
    const before = this.size;
    const size = (this.size = before + chunk.length);
    const { keep, limit } = this.#settings;
    if (keep === 'none' || chunk.length === 0) return true;
    if (before === 0 && size <= limit && size <= HASH_AT_ONCE) {
      this.#first = chunk;
      return true;
    }
    // Up to here all of it is at hand; from here on only what passes.
    if (size > HASH_AT_ONCE || size > limit) this.#digest(chunk);
    if (size <= limit) {
      this.#gathered().add(chunk);
      return true;
    }
    return this.#overflowed ? (this.#spool?.write(chunk) ?? true) : this.#overflow(chunk, limit - before);
  }

  /** The body is over, whole or broken off. Its file is completed from here on, while the flow may still go on. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.size === 0 || this.#settings.keep === 'none') return;
    this.#sha256 = this.#hash === null ? hash('sha256', this.#bytes(), 'hex') : this.#hash.digest('hex');
    if (this.#spool !== null) this.#commit(this.#spool, this.#sha256);
  }

  /**
   * Ends the body if it is not, and gives its record. `headers` are those of the message as it was on the wire.
   * Calls back in the same turn unless there is a file to complete or much to decode. Call it once.
   */
  finish(headers: Headers, done: (body: BodyRecord) => void): void {
    this.end();
    const { keep, reader, store } = this.#settings;
    if (this.size === 0) return done(unread(0, false));
    if (keep === 'none') return done(unread(this.size, true));
    reader.read(this.#bytes(), headers, this.#overflowed, (text) => {
      // Short on the wire and long when decoded: what the line does not show is to be found in a file, too.
      if (text.cut && !this.#overflowed && store !== null) this.#keepWhole(store);
      const complete = (): void =>
        done({
          body: text.body,
          body_encoding: text.body_encoding,
          body_size: this.size,
          body_sha256: this.#sha256,
          body_truncated: text.cut,
          body_file: this.#file ?? null,
          body_decoded: text.body_decoded as string[],
        });
      if (this.#file === undefined) this.#onFile = complete;
      else complete();
    });
  }

  #overflow(chunk: Buffer, room: number): boolean {
    this.#overflowed = true;
    const rope = this.#gathered();
    const spool = this.#settings.store?.create() ?? null;
    if (room > 0) rope.add(chunk.subarray(0, room));
    if (spool === null) return true;
    this.#spool = spool;
    spool.onDrain = () => this.onDrain?.();
    for (const part of rope.parts()) spool.write(part);
    return spool.write(chunk.subarray(room));
  }

  #keepWhole(store: BodyStore): void {
    const spool = store.create();
    if (spool === null) return;
    spool.write(this.#bytes());
    this.#commit(spool, this.#sha256!);
  }

  #commit(spool: Spool, sha256: string): void {
    this.#file = undefined;
    this.#settings.store!.commit(spool, sha256, (file) => {
      this.#file = file;
      this.#onFile?.();
    });
  }

  #digest(chunk: Buffer): void {
    if (this.#hash === null) {
      this.#hash = createHash('sha256');
      if (this.size > chunk.length) for (const part of this.#gathered().parts()) this.#hash.update(part);
    }
    this.#hash.update(chunk);
  }

  #gathered(): Rope {
    if (this.#rope === null) {
      this.#rope = new Rope();
      if (this.#first !== null) this.#rope.add(this.#first);
      this.#first = null;
    }
    return this.#rope;
  }

  /** What the line may show: the beginning of the body, up to the limit. */
  #bytes(): Buffer {
    if (this.#first !== null) return this.#first;
    return this.#rope === null ? Buffer.alloc(0) : this.#rope.bytes();
  }
}

/** The record of a body of which nothing is kept. */
function unread(size: number, truncated: boolean): BodyRecord {
  return { body: null, body_encoding: null, body_size: size, body_sha256: null, body_truncated: truncated, body_file: null, body_decoded: [] };
}
