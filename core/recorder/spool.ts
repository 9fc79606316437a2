import { close, constants, open, unlink, writev } from 'node:fs';
import { BlockRope, type BlockPool } from './block-pool.ts';

/** A spool that has more bytes waiting than this asks its source to pause, until a quarter is left. Bytes. */
const HIGH_WATER = 2 * 1024 * 1024;

/** What all spools of a store share. */
export interface SpoolAccount {
  /** Bytes that wait to be written, of all spools together. */
  pending: number;
  /** Above it every spool asks its source to pause. */
  readonly pendingLimit: number;
  /** Takes bytes from the quota; false where they are more than what is left. */
  admit(bytes: number): boolean;
  /** What waits is kept in blocks of it. */
  readonly blocks?: BlockPool;
}

export type SpoolFailure = 'quota' | 'aborted' | Error;

/**
 * A file that is written while its body passes: asynchronously, one `writev` in flight, with bounded memory.
 * The file is new (`O_EXCL`), no symbolic link is followed, mode 0600.
 */
export class Spool {
  readonly path: string;
  /** Bytes taken so far; they count against the quota until `abort`. */
  size = 0;
  /** Called once after each `write` that returned false, when there is room again. Never while `write` runs. */
  onDrain: (() => void) | null = null;
  readonly #account: SpoolAccount;
  readonly #highWater: number;
  #waiting: BlockRope;
  #inFlight = 0;
  #fd: number | null = null;
  #opening = true;
  #full = false;
  #failure: SpoolFailure | null = null;
  #ended: ((failure: SpoolFailure | null) => void) | null = null;

  constructor(path: string, account: SpoolAccount, highWater = HIGH_WATER) {
    this.#highWater = highWater;
    this.path = path;
    this.#account = account;
    this.#waiting = new BlockRope(account.blocks ?? null);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    open(path, flags, 0o600, (error, fd) => {
      this.#opening = false;
      if (error) this.#fail(error);
      else this.#fd = fd;
      this.#flush();
    });
  }

  get failure(): SpoolFailure | null {
    return this.#failure;
  }

  /** Takes a copy of a chunk; false asks for a pause until `onDrain`. */
  write(chunk: Buffer): boolean {
    if (this.#failure !== null) return true;
    if (!this.#account.admit(chunk.length)) {
      this.#fail('quota');
      this.#flush();
      return true;
    }
    this.size += chunk.length;
    this.#account.pending += chunk.length;
    this.#waiting.add(chunk);
    this.#flush();
    this.#full = this.#waiting.size + this.#inFlight > this.#highWater || this.#account.pending > this.#account.pendingLimit;
    return !this.#full;
  }

  /** Calls back when all is written and the file is closed, with what went wrong if anything did. Call it once. */
  end(done: (failure: SpoolFailure | null) => void): void {
    this.#ended = done;
    this.#flush();
  }

  /** Stops writing. `end` has still to be called. */
  abort(): void {
    this.#fail('aborted');
    this.#flush();
  }

  #flush(): void {
    if (this.#opening || this.#inFlight > 0) return;
    if (this.#waiting.size === 0 || this.#fd === null || this.#failure !== null) return this.#settle();
    this.#inFlight = this.#waiting.size;
    const parts = this.#waiting.take();
    this.#write(parts, this.#inFlight, () => this.#account.blocks?.give(parts));
  }

  #write(parts: Buffer[], size: number, over: () => void): void {
    writev(this.#fd!, parts, (error, written) => {
      // A disk that fills up half-way answers with a short count first and the error at the next try.
      if (!error && written > 0 && written < size) return this.#write(skip(parts, written), size - written, over);
      if (error || written < size) this.#fail(error ?? new Error('the disk took no more bytes'));
      over();
      this.#account.pending -= this.#inFlight;
      this.#inFlight = 0;
      this.#flush();
      this.#drain();
    });
  }

  #drain(): void {
    const left = this.#waiting.size + this.#inFlight;
    if (!this.#full || left > this.#highWater / 4 || (left > 0 && this.#account.pending > this.#account.pendingLimit)) return;
    this.#full = false;
    this.onDrain?.();
  }

  #fail(failure: SpoolFailure): void {
    this.#failure ??= failure;
    this.#account.pending -= this.#waiting.size;
    this.#account.blocks?.give(this.#waiting.take());
    // Whoever was asked to pause must be let go, but not from within its own call.
    if (this.#full) setImmediate(() => this.#drain());
  }

  #settle(): void {
    if (this.#ended === null) return;
    const done = this.#ended;
    this.#ended = null;
    const report = (): void => done(this.#failure);
    const closed = (): void => (this.#failure === null ? report() : unlink(this.path, report));
    if (this.#fd === null) return report();
    const fd = this.#fd;
    this.#fd = null;
    close(fd, closed);
  }
}

function skip(parts: readonly Buffer[], count: number): Buffer[] {
  const rest: Buffer[] = [];
  for (const part of parts) {
    if (count < part.length) rest.push(part.subarray(count));
    count = Math.max(0, count - part.length);
  }
  return rest;
}
