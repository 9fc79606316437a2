/** Bytes that the record shows by themselves: a message, or the beginning of a connection. */
import { Headers } from '../headers.ts';
import type { DataRecord } from '../record-parts.ts';
import { BlockRope, type BlockPool } from './block-pool.ts';
import { BodyCapture, type CaptureSettings } from './body-capture.ts';
import { showBody } from './body-text.ts';
import { MessageBytes } from './message-bytes.ts';
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

/** A message of which more is kept becomes text where it is needed, and as it is needed there. Bytes. */
const LONG = 32 * 1024;

/** One message, whole: in the record up to the limit, beyond it in a file of its own under `bodies/`. */
export class MessageCapture {
  readonly #settings: CaptureSettings;
  readonly #blocks: BlockPool | null;
  /** The only chunk so far; most messages have one. */
  #first: Buffer | null = null;
  #rope: BlockRope | null = null;
  #long: BodyCapture | null = null;
  #size = 0;
  /** Called once after each `write` that returned false, when there is room again. */
  onDrain: (() => void) | null = null;

  constructor(settings: CaptureSettings) {
    this.#settings = settings;
    this.#blocks = settings.store?.blocks ?? null;
  }

  get size(): number {
    return this.#size;
  }

  /** What is written must not be changed afterwards. False asks for a pause of the source until `onDrain`; the chunk has been taken all the same. */
  write(chunk: Buffer): boolean {
    const before = this.#size;
    this.#size += chunk.length;
    if (this.#settings.keep === 'none') return true;
    if (this.#long) return this.#long.write(chunk);
    if (this.#size > this.#settings.limit) return this.#overflow(chunk);
    if (before === 0) this.#first = chunk;
    else this.#gathered().add(chunk);
    return true;
  }

  /** Calls back in the same turn unless there is a file to complete. Call it once. `bytes`: the data of a long message, which `data` is without. */
  finish(done: (data: DataRecord, bytes: MessageBytes | null) => void): void {
    if (this.#size === 0) return done(NO_DATA, null);
    if (this.#settings.keep === 'none') return done({ ...NO_DATA, data_truncated: true }, null);
    if (this.#long) {
      return this.#long.finish(NO_FIELDS, ({ body, body_encoding, body_truncated, body_file }) => {
        done({ data: body, data_encoding: body_encoding, data_truncated: body_truncated, data_file: body_file }, null);
      });
    }
    const parts = this.#parts();
    if (this.#size >= LONG) return done(NO_DATA, new MessageBytes(parts, this.#blocks));
    const data = dataRecord(parts.length === 1 ? parts[0]! : Buffer.concat(parts), false);
    this.#blocks?.give(parts);
    done(data, null);
  }

  /** In the place of `finish`, for a message that never becomes whole. May be called more than once. */
  drop(): void {
    this.#blocks?.give(this.#parts());
    this.#first = null;
    this.#long?.drop();
  }

  #overflow(chunk: Buffer): boolean {
    this.#long = new BodyCapture(this.#settings);
    this.#long.onDrain = () => this.onDrain?.();
    const parts = this.#parts();
    // Copies: it keeps what it is given.
    for (const part of parts) this.#long.write(Buffer.from(part));
    this.#blocks?.give(parts);
    return this.#long.write(chunk);
  }

  #gathered(): BlockRope {
    if (this.#rope === null) {
      this.#rope = new BlockRope(this.#blocks);
      this.#rope.add(this.#first!);
      this.#first = null;
    }
    return this.#rope;
  }

  #parts(): Buffer[] {
    if (this.#rope) return this.#rope.take();
    return this.#first ? [this.#first] : [];
  }
}
