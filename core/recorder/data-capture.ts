/** Bytes that the record shows by themselves: a message, or the beginning of a connection. */
import { Headers } from '../headers.ts';
import type { DataRecord } from '../record-parts.ts';
import { BodyCapture, type CaptureSettings } from './body-capture.ts';
import { showBody } from './body-text.ts';
import { Rope } from './rope.ts';

export const NO_DATA: DataRecord = Object.freeze({ data: null, data_encoding: null, data_truncated: false, data_file: null });

const NO_CODINGS = [] as const;
const NO_FIELDS = new Headers([]);

/** Text where the bytes are UTF-8 without a NUL, else base64. @param cut the bytes are only the beginning. */
export function dataRecord(bytes: Buffer, cut: boolean): DataRecord {
  const { body, body_encoding } = showBody(bytes, undefined, NO_CODINGS, cut);
  return { data: body, data_encoding: body_encoding, data_truncated: cut, data_file: null };
}

/** The first bytes of what may be endless. Memory is bounded by `limit`. */
export class BeginningCapture {
  /** Bytes that have passed. */
  size = 0;
  readonly #limit: number;
  readonly #rope = new Rope();

  constructor(limit: number) {
    this.#limit = limit;
  }

  write(chunk: Buffer): void {
    const room = this.#limit - this.#rope.size;
    this.size += chunk.length;
    // A copy: a slice would keep the whole read in memory.
    if (room > 0) this.#rope.add(Buffer.from(chunk.subarray(0, room)));
  }

  /** The bytes kept. */
  get bytes(): Buffer {
    return this.#rope.bytes();
  }

  record(): DataRecord {
    if (this.size === 0) return NO_DATA;
    if (this.#limit === 0) return { ...NO_DATA, data_truncated: true };
    return dataRecord(this.bytes, this.size > this.#limit);
  }
}

/**
 * One message, whole: in the record up to the limit, beyond it in a file of its own under `bodies/`.
 * What is written is kept by reference and must not be changed afterwards.
 */
export class MessageCapture {
  readonly #settings: CaptureSettings;
  readonly #rope = new Rope();
  #long: BodyCapture | null = null;
  #size = 0;
  /** Called once after each `write` that returned false, when there is room again. */
  onDrain: (() => void) | null = null;

  constructor(settings: CaptureSettings) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#size;
  }

  /** False asks for a pause of the source until `onDrain`; the chunk has been taken all the same. */
  write(chunk: Buffer): boolean {
    this.#size += chunk.length;
    if (this.#settings.keep === 'none') return true;
    if (this.#long) return this.#long.write(chunk);
    if (this.#size <= this.#settings.limit) {
      this.#rope.add(chunk);
      return true;
    }
    this.#long = new BodyCapture(this.#settings);
    this.#long.onDrain = () => this.onDrain?.();
    for (const part of this.#rope.take()) this.#long.write(part);
    return this.#long.write(chunk);
  }

  /** Calls back in the same turn unless there is a file to complete. Call it once. */
  finish(done: (data: DataRecord) => void): void {
    if (this.#size === 0) return done(NO_DATA);
    if (this.#settings.keep === 'none') return done({ ...NO_DATA, data_truncated: true });
    if (!this.#long) return done(dataRecord(this.#rope.bytes(), false));
    this.#long.finish(NO_FIELDS, ({ body, body_encoding, body_truncated, body_file }) => {
      done({ data: body, data_encoding: body_encoding, data_truncated: body_truncated, data_file: body_file });
    });
  }
}
