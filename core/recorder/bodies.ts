import { randomBytes, createHash } from 'node:crypto';
import { closeSync, constants, fchmodSync, lstat, mkdirSync, openSync, readdirSync, rename, unlink, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MentuError } from '../errors.ts';
import { Spool, type SpoolAccount, type SpoolFailure } from './spool.ts';

const DIRECTORY = 'bodies';
const PARTIAL = '.partial-';
/** Bytes that all spools of a job together may have waiting for the disk. */
const PENDING_LIMIT = 16 * 1024 * 1024;
/** Files of a job: what is remembered of each stays in memory. */
const MAX_FILES = 100_000;
const READ_CHUNK = 64 * 1024;

export interface BodyStoreOptions {
  /** Bytes that the files of this job may take together. */
  readonly quota: number;
  /** Told once for each kind of trouble; the record of each flow says the rest by `body_truncated` without `body_file`. */
  warn(error: MentuError): void;
}

/** Maps the bytes of a body. Its return value `unchanged` leaves the file as it was. */
export type BodyTransform = (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array, 'unchanged' | void>;

export interface StoredBody {
  /** `bodies/<sha256>`, relative to the job's directory. */
  readonly file: string;
  readonly sha256: string;
  readonly size: number;
}

/**
 * The folder `bodies/` of a job: whole bodies that are too long for the record's line, each under its SHA-256,
 * the same bytes once. Folder 0700, files 0600. A file under way is a `.partial-…`, renamed when it is whole.
 */
export class BodyStore {
  /** What the summary tells: bodies left out over the quota, and those that the disk refused. */
  readonly refused = { quota: 0, failed: 0 };
  readonly #directory: string;
  readonly #options: BodyStoreOptions;
  readonly #files = new Map<string, { flows: number; size: number }>();
  readonly #spools = new Set<Spool>();
  /** Spools share what waits for the disk; those that rewrite a file take its place, so they need no quota. */
  readonly #account: SpoolAccount;
  readonly #rewriteAccount: SpoolAccount;
  readonly #commits = new Set<Promise<void>>();
  readonly #warned = new Set<string>();
  #used = 0;
  #closed = false;
  /** Names are given and taken back one after the other, so that no two steps meet on one file. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Makes the folder where there is none, and removes what a killed capture left half-written there. */
  constructor(jobDirectory: string, options: BodyStoreOptions) {
    this.#directory = join(jobDirectory, DIRECTORY);
    this.#options = options;
    this.#account = { pending: 0, pendingLimit: PENDING_LIMIT, admit: (bytes) => this.#admit(bytes, options.quota) };
    this.#rewriteAccount = { pending: 0, pendingLimit: PENDING_LIMIT, admit: (bytes) => this.#admit(bytes, Infinity) };
    prepareDirectory(this.#directory);
  }

  get files(): number {
    return this.#files.size;
  }

  /** Bytes of the quota that are taken, by files and by those under way. */
  get bytes(): number {
    return this.#used;
  }

  /** A file for a body that has begun; null where the quota is used up. End it with `commit` or `discard`. */
  create(): Spool | null {
    if (this.#closed) return null;
    if (this.#used >= this.#options.quota || this.#files.size >= MAX_FILES) {
      this.#refuse('quota');
      return null;
    }
    return this.#begin(this.#account);
  }

  /** Gives the finished file its name. Calls back with `bodies/<sha256>`, or null where the body could not be kept. */
  commit(spool: Spool, sha256: string, done: (file: string | null) => void): void {
    this.#spools.delete(spool);
    const settled = new Promise<string | null>((resolve) => {
      spool.end((failure) => {
        if (failure !== null) {
          this.#used -= spool.size;
          this.#refuse(failure);
          return resolve(null);
        }
        this.#inTurn(() => this.#name(spool, sha256)).then(
          () => resolve(`${DIRECTORY}/${sha256}`),
          (error: Error) => {
            this.#refuse(error);
            unlink(spool.path, () => resolve(null));
          },
        );
      });
    }).then((file) => {
      this.#commits.delete(settled);
      done(file);
    });
    this.#commits.add(settled);
  }

  /** Removes a file under way; one that has been committed is not touched. */
  discard(spool: Spool, done: () => void = () => {}): void {
    if (!this.#spools.delete(spool)) return done();
    spool.abort();
    spool.end(() => {
      this.#used -= spool.size;
      done();
    });
  }

  /**
   * Puts other bytes in the place of a flow's file, which goes away with the last flow that names it.
   * Null where the transform left it unchanged. Where anything fails, the flow loses its file and the error is thrown.
   */
  async rewrite(file: string, transform: BodyTransform): Promise<StoredBody | null> {
    const spool = this.#begin(this.#rewriteAccount);
    try {
      const hash = createHash('sha256');
      const output = transform(this.read(file))[Symbol.asyncIterator]();
      for (;;) {
        const step = await output.next();
        if (step.done) {
          if (step.value !== 'unchanged') break;
          this.discard(spool);
          return null;
        }
        const chunk = Buffer.from(step.value.buffer, step.value.byteOffset, step.value.byteLength);
        hash.update(chunk);
        if (!spool.write(chunk)) await new Promise<void>((resolve) => (spool.onDrain = resolve));
        if (spool.failure !== null) break;
      }
      const sha256 = hash.digest('hex');
      const { size } = spool;
      const name = await new Promise<string | null>((resolve) => this.commit(spool, sha256, resolve));
      if (name === null) throw reasonOf(spool.failure ?? new Error('it could not be given its name'), this.#options.quota);
      await this.release(file);
      return { file: name, sha256, size };
    } catch (error) {
      this.discard(spool);
      await this.release(file);
      throw error;
    }
  }

  /** The bytes of a stored body, a chunk at a time. */
  async *read(file: string): AsyncGenerator<Buffer, void> {
    const handle = await open(this.#pathOf(file), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (;;) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_CHUNK), 0, READ_CHUNK, null);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  /** One flow less names the file; the last one takes it away. */
  async release(file: string): Promise<void> {
    const path = this.#pathOf(file);
    const sha256 = path.slice(this.#directory.length + 1);
    await this.#inTurn(async () => {
      const entry = this.#files.get(sha256);
      if (entry === undefined || --entry.flows > 0) return;
      this.#files.delete(sha256);
      this.#used -= entry.size;
      await promisify(unlink)(path);
    });
  }

  /** Drops what is under way and waits until no file operation is left. */
  async close(): Promise<void> {
    this.#closed = true;
    const spools = [...this.#spools];
    await Promise.all(spools.map((spool) => new Promise<void>((resolve) => this.discard(spool, resolve))));
    await Promise.all(this.#commits);
    await this.#turn;
  }

  async #name(spool: Spool, sha256: string): Promise<void> {
    const known = this.#files.get(sha256);
    if (known !== undefined) {
      known.flows += 1;
      this.#used -= spool.size;
      return promisify(unlink)(spool.path);
    }
    const path = join(this.#directory, sha256);
    // A file of that name from an earlier capture belongs to records that we do not know: it is never taken away.
    const foreign = await promisify(lstat)(path).then(() => 1, () => 0);
    try {
      await promisify(rename)(spool.path, path);
    } catch (error) {
      this.#used -= spool.size;
      throw error;
    }
    this.#files.set(sha256, { flows: 1 + foreign, size: spool.size });
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => {});
    return result;
  }

  #begin(account: SpoolAccount): Spool {
    const spool = new Spool(join(this.#directory, PARTIAL + randomBytes(12).toString('hex')), account);
    this.#spools.add(spool);
    return spool;
  }

  #admit(bytes: number, quota: number): boolean {
    if (this.#used + bytes > quota) return false;
    this.#used += bytes;
    return true;
  }

  #refuse(failure: SpoolFailure): void {
    if (failure === 'aborted') return;
    const kind = failure === 'quota' ? 'quota' : 'failed';
    this.refused[kind] += 1;
    if (this.#warned.has(kind)) return;
    this.#warned.add(kind);
    this.#options.warn(reasonOf(failure, this.#options.quota));
  }

  #pathOf(file: string): string {
    const match = /^bodies\/([0-9a-f]{64})$/.exec(file);
    if (match === null) throw new TypeError(`not a stored body: ${file}`);
    return join(this.#directory, match[1]!);
  }
}

function reasonOf(failure: SpoolFailure, quota: number): MentuError {
  if (failure === 'quota') return new MentuError('bodies_over_quota', { quota });
  const reason = failure === 'aborted' ? 'the capture ended' : failure.message;
  return new MentuError('body_not_stored', { reason }, failure === 'aborted' ? {} : { cause: failure });
}

function prepareDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  let fd: number;
  try {
    fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw new MentuError('bodies_unsafe', { path: directory }, { cause });
  }
  fchmodSync(fd, 0o700);
  closeSync(fd);
  for (const name of readdirSync(directory)) if (name.startsWith(PARTIAL)) unlinkSync(join(directory, name));
}
