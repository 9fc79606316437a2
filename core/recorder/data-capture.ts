/** Bytes that the record shows by themselves: a message, or the beginning of a connection. */
import { createHash, type Hash } from 'node:crypto';
import type { DataRecord } from '../record-parts.ts';
import { BlockRope, type BlockPool } from './block-pool.ts';
import type { CaptureSettings } from './body-capture.ts';
import { showBody } from './body-text.ts';
import { MessageBytes } from './message-bytes.ts';
import { Rope } from './rope.ts';
import type { Spool } from './spool.ts';

export const NO_DATA: DataRecord = Object.freeze({ data: null, data_encoding: null, data_truncated: false, data_file: null });

const NO_CODINGS = [] as const;

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
  /** Of a message beyond the limit; its file is null where there is no room for one. */
  #long: { readonly beginning: Buffer[]; readonly hash: Hash; readonly spool: Spool | null } | null = null;
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
    if (this.#long) return this.#file(chunk);
    if (this.#size > this.#settings.limit) return this.#overflow(chunk, this.#settings.limit - before);
    if (before === 0) this.#first = chunk;
    else this.#gathered().add(chunk);
    return true;
  }

  /** Calls back in the same turn unless there is a file to complete. Call it once. `bytes`: the data of a long message, which `data` is without. */
  finish(done: (data: DataRecord, bytes: MessageBytes | null) => void): void {
    if (this.#size === 0) return done(NO_DATA, null);
    if (this.#settings.keep === 'none') return done({ ...NO_DATA, data_truncated: true }, null);
    if (!this.#long) return this.#show(this.#parts(), NO_DATA, done);
    const { beginning, hash, spool } = this.#long;
    this.#long = null;
    const shown = (data_file: string | null): void => this.#show(beginning, { ...NO_DATA, data_truncated: true, data_file }, done);
    if (spool) this.#settings.store!.commit(spool, hash.digest('hex'), shown);
    else shown(null);
  }

  /** In the place of `finish`, for a message that never becomes whole. May be called more than once. */
  drop(): void {
    this.#blocks?.give(this.#parts());
    this.#first = null;
    if (!this.#long) return;
    this.#blocks?.give(this.#long.beginning.splice(0));
    if (this.#long.spool) void this.#settings.store!.discard(this.#long.spool);
  }

  #show(parts: Buffer[], data: DataRecord, done: (data: DataRecord, bytes: MessageBytes | null) => void): void {
    const { data_truncated, data_file } = data;
    if (parts.reduce((size, part) => size + part.length, 0) >= LONG) return done(data, new MessageBytes(parts, this.#blocks, data_truncated));
    const shown = dataRecord(parts.length === 1 ? parts[0]! : Buffer.concat(parts), data_truncated);
    this.#blocks?.give(parts);
    done({ ...shown, data_file }, null);
  }

  #overflow(chunk: Buffer, room: number): boolean {
    if (room > 0) this.#gathered().add(chunk.subarray(0, room));
    const beginning = this.#parts();
    const spool = this.#settings.store?.create() ?? null;
    if (spool) spool.onDrain = () => this.onDrain?.();
    this.#long = { beginning, hash: createHash('sha256'), spool };
    for (const part of beginning) this.#file(part);
    return this.#file(chunk.subarray(room));
  }

  #file(chunk: Buffer): boolean {
    const { hash, spool } = this.#long!;
    if (!spool) return true;
    hash.update(chunk);
    return spool.write(chunk);
  }

  #gathered(): BlockRope {
    if (this.#rope === null) {
      this.#rope = new BlockRope(this.#blocks);
      if (this.#first) this.#rope.add(this.#first);
      this.#first = null;
    }
    return this.#rope;
  }

  #parts(): Buffer[] {
    if (this.#rope) return this.#rope.take();
    return this.#first ? [this.#first] : [];
  }
}
