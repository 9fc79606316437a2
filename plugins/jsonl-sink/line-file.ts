import { close, constants, fchmodSync, fstatSync, ftruncateSync, openSync, readSync, write } from 'node:fs';
import { MentuError } from '../../core/index.ts';

/** A batch of this many characters is written without waiting for the timer. */
const BATCH = 256 * 1024;
/** With more characters than this waiting for a slow disk, whoever adds a line is asked to wait. */
const ROOM = 8 * 1024 * 1024;
/** Characters that may wait for a disk that refuses; lines that come on top of them are lost, and counted. */
const WAITING_LIMIT = 32 * 1024 * 1024;
const RETRY_MS = 1000;
/** Tries at the end before the file is given up. */
const LAST_TRIES = 3;
const LAST_RETRY_MS = 300;
const TAIL = 64 * 1024;

export interface LineFileOptions {
  readonly path: string;
  /** A line waits this long at most before it is handed to the system. Milliseconds. */
  readonly flushMs: number;
  warn(message: string): void;
}

/**
 * A file of lines that grows at its end: lines are gathered and written asynchronously, one write in flight.
 * Each write begins at the start of a line and ends at a newline, so a process that is killed leaves one
 * unfinished line at most. What the disk refuses is tried again, from the very byte where it stopped.
 */
export class LineFile {
  /** Lines that found no room while the disk refused. */
  lost = 0;
  readonly #options: LineFileOptions;
  readonly #fd: number;
  #waiting = '';
  #lines = 0;
  #batch: Buffer | null = null;
  /** Bytes of the batch that the file has. */
  #written = 0;
  #timer: NodeJS.Timeout | null = null;
  #writing = false;
  #failure: Error | null = null;
  #idle: (() => void) | null = null;
  #room: PromiseWithResolvers<void> | null = null;

  /** Creates the file with mode 0600 or goes on at the end of it; follows no symbolic link. */
  constructor(options: LineFileOptions) {
    this.#options = options;
    const { path } = options;
    const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    try {
      this.#fd = openSync(path, flags, 0o600);
    } catch (cause) {
      throw new MentuError('record_not_writable', { path, reason: (cause as Error).message }, { cause });
    }
    if (!fstatSync(this.#fd).isFile()) throw new MentuError('record_not_writable', { path, reason: 'it is no regular file' });
    fchmodSync(this.#fd, 0o600);
    const removed = dropUnfinishedLine(this.#fd);
    if (removed > 0) options.warn(`${path} ended with an unfinished line of an earlier capture; its ${removed} bytes were removed.`);
  }

  /** Takes a line, without its newline. A promise asks to add no more before it resolves; the line has been taken all the same. */
  add(line: string): Promise<void> | undefined {
    if (this.#waiting.length > WAITING_LIMIT) {
      this.lost += 1;
      return undefined;
    }
    this.#waiting += line + '\n';
    this.#lines += 1;
    if (this.#waiting.length >= BATCH) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), this.#options.flushMs).unref();
    // While the disk refuses there is no telling how long it would be: flows go on, and what finds no room is counted.
    if (this.#waiting.length <= ROOM || this.#failure !== null) return undefined;
    return (this.#room ??= Promise.withResolvers()).promise;
  }

  /** Writes what waits and closes the file. Throws `record_incomplete` where lines are missing from it. */
  async close(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      this.#flush();
      if (this.#writing) await new Promise<void>((resolve) => (this.#idle = resolve));
      if (this.#batch === null && this.#waiting === '') break;
      if (this.#failure === null) continue;
      if (tries >= LAST_TRIES) break;
      await new Promise((resolve) => setTimeout(resolve, LAST_RETRY_MS));
    }
    this.#clearTimer();
    const missing = this.lost + this.#lines + this.#endAtNewline();
    await new Promise<void>((resolve) => close(this.#fd, () => resolve()));
    if (missing > 0) {
      throw new MentuError('record_incomplete', { path: this.#options.path, lines: missing, reason: this.#failure?.message ?? 'the disk was too slow' });
    }
  }

  #flush(): void {
    if (this.#writing) return;
    this.#clearTimer();
    if (this.#batch === null) {
      if (this.#waiting === '') return;
      this.#batch = Buffer.from(this.#waiting);
      this.#written = 0;
      this.#waiting = '';
      this.#lines = 0;
      this.#letIn();
    }
    this.#writing = true;
    write(this.#fd, this.#batch, this.#written, this.#batch.length - this.#written, null, (error, count) => this.#wrote(error, count));
  }

  #wrote(error: Error | null, count: number): void {
    this.#writing = false;
    if (!error) this.#written += count;
    if (error || count === 0) this.#refused(error ?? new Error('the disk takes no more bytes'));
    else if (this.#written === this.#batch!.length) this.#done();
    if (this.#idle !== null) {
      const idle = this.#idle;
      this.#idle = null;
      return idle();
    }
    if (this.#failure !== null) this.#timer ??= setTimeout(() => this.#flush(), RETRY_MS).unref();
    else if (this.#batch !== null || this.#waiting.length >= BATCH) this.#flush();
    else if (this.#waiting !== '') this.#timer ??= setTimeout(() => this.#flush(), this.#options.flushMs).unref();
  }

  #done(): void {
    this.#batch = null;
    if (this.#failure === null) return;
    this.#failure = null;
    this.#options.warn(`${this.#options.path} is written again; ${this.lost === 0 ? 'no line is missing' : `${this.lost} lines are missing`}.`);
  }

  #refused(error: Error): void {
    if (this.#failure === null) {
      this.#options.warn(`${this.#options.path} cannot be written (${error.message}); flows are kept in memory, up to 32 Mi characters, and it is tried again every second.`);
    }
    this.#failure = error;
    this.#letIn();
  }

  #letIn(): void {
    this.#room?.resolve();
    this.#room = null;
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Takes back the beginning of a line whose rest was refused. Returns the number of lines of the batch that are missing. */
  #endAtNewline(): number {
    if (this.#batch === null) return 0;
    const whole = this.#written === 0 ? 0 : this.#batch.lastIndexOf(0x0a, this.#written - 1) + 1;
    if (whole < this.#written) ftruncateSync(this.#fd, fstatSync(this.#fd).size - (this.#written - whole));
    let missing = 0;
    for (let at = this.#batch.indexOf(0x0a, whole); at !== -1; at = this.#batch.indexOf(0x0a, at + 1)) missing += 1;
    return missing;
  }
}

/** Cuts off what follows the last newline; returns how many bytes that was. */
function dropUnfinishedLine(fd: number): number {
  const { size } = fstatSync(fd);
  const tail = Buffer.alloc(TAIL);
  for (let end = size; end > 0; end -= TAIL) {
    const start = Math.max(0, end - TAIL);
    const count = readSync(fd, tail, 0, end - start, start);
    const newline = tail.subarray(0, count).lastIndexOf(0x0a);
    if (newline === -1 && start > 0) continue;
    const kept = newline === -1 ? 0 : start + newline + 1;
    if (kept < size) ftruncateSync(fd, kept);
    return size - kept;
  }
  return 0;
}
