import { randomBytes, createHash } from 'node:crypto';
import { lstat, rename, unlink } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MentuError } from '../errors.ts';
import type { BodyTransform } from '../flow.ts';
import type { BodyRecord } from '../record.ts';
import { BlockPool } from './block-pool.ts';
import { PARTIAL, prepareBodyFolder, readBody } from './body-folder.ts';
import { Spool, type SpoolAccount, type SpoolFailure } from './spool.ts';

const DIRECTORY = 'bodies';
/** Bytes that all spools of a job together may have waiting for the disk. */
const PENDING_LIMIT = 16 * 1024 * 1024;
/** Files of a job: what is remembered of each stays in memory. */
const MAX_FILES = 100_000;

export interface BodyStoreOptions {
  /** Bytes that the files of this job may take together. */
  readonly quota: number;
  /** Told once for each kind of trouble; the record of each flow says the rest by `body_truncated` without `body_file`. */
  warn(error: MentuError): void;
}

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
  /** For bytes on their way to a file. */
  readonly blocks = new BlockPool();
  readonly #directory: string;
  readonly #options: BodyStoreOptions;
  readonly #files = new Map<string, { flows: number; size: number }>();
  readonly #spools = new Set<Spool>();
  /** Spools share what waits for the disk; those that rewrite a file take its place, so they need no quota. */
  readonly #account: SpoolAccount;
  readonly #rewriteAccount: SpoolAccount;
  /** Commits and discards under way. */
  readonly #settling = new Set<Promise<void>>();
  readonly #warned = new Set<string>();
  #used = 0;
  #closed = false;
  /** Names are given and taken back one after the other, so that no two steps meet on one file. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Makes the folder where there is none, and removes what a killed capture left half-written there. */
  constructor(jobDirectory: string, options: BodyStoreOptions) {
    this.#directory = join(jobDirectory, DIRECTORY);
    this.#options = options;
    this.#account = { pending: 0, pendingLimit: PENDING_LIMIT, admit: (bytes) => this.#admit(bytes, options.quota), blocks: this.blocks };
    this.#rewriteAccount = { pending: 0, pendingLimit: PENDING_LIMIT, admit: (bytes) => this.#admit(bytes, Infinity), blocks: this.blocks };
    prepareBodyFolder(this.#directory);
  }

  get files(): number {
    return this.#files.size;
  }

  /** Bytes of the quota that are taken. */
  get bytes(): number {
    return this.#used;
  }

  /** A file for a body that has begun; null where the quota is used up. End it with `commit` or `discard`. @param highWater bytes that may wait before it asks for a pause. */
  create(highWater?: number): Spool | null {
    if (this.#closed) return null;
    if (this.#used >= this.#options.quota || this.#files.size >= MAX_FILES) {
      this.#refuse('quota');
      return null;
    }
    return this.#begin(this.#account, highWater);
  }

  /** Gives the finished file its name. Calls back with `bodies/<sha256>`, or null where the body could not be kept. */
  commit(spool: Spool, sha256: string, done: (file: string | null) => void): void {
    this.#spools.delete(spool);
    void this.#track(
      new Promise<string | null>((resolve) => {
        spool.end((failure) => {
          if (failure !== null) {
            this.#used -= spool.size;
            this.#refuse(failure);
            return resolve(null);
          }
          this.#inTurn(() => this.#name(spool, sha256)).then(
            () => resolve(`${DIRECTORY}/${sha256}`),
            (error: Error) => {
              this.#used -= spool.size;
              this.#refuse(error);
              unlink(spool.path, () => resolve(null));
            },
          );
        });
      }).then(done),
    );
  }

  /** Removes a file under way; one that has been committed is not touched. */
  async discard(spool: Spool): Promise<void> {
    if (!this.#spools.delete(spool)) return;
    spool.abort();
    await this.#track(new Promise<void>((resolve) => spool.end(() => resolve())).then(() => void (this.#used -= spool.size)));
  }

  /**
   * Puts other bytes in the place of a flow's file, which goes away with the last flow that names it.
   * Null where the transform left it unchanged. Where anything fails, the flow loses its file and the error is thrown.
   */
  async rewrite(file: string, transform: BodyTransform): Promise<StoredBody | null> {
    const spool = this.#begin(this.#rewriteAccount);
    let output: AsyncIterator<Uint8Array, 'unchanged' | void> | null = null;
    try {
      const hash = createHash('sha256');
      output = transform(readBody(this.#pathOf(file)))[Symbol.asyncIterator]();
      for (;;) {
        const step = await output.next();
        if (step.done) {
          if (step.value !== 'unchanged') break;
          await this.discard(spool);
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
      await this.discard(spool);
      await this.release(file);
      throw error;
    } finally {
      await output?.return?.();
    }
  }

  /** As `rewrite`, with what it means for the record: the new name and no hash, or no file where it failed. */
  async rewriteFor(body: BodyRecord, transform: BodyTransform): Promise<void> {
    const file = body.body_file;
    if (file === null) return;
    body.body_file = null;
    const stored = await this.rewrite(file, transform);
    body.body_file = stored === null ? file : stored.file;
    if (body.body_file !== file) body.body_sha256 = null;
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
    for (const spool of this.#spools) void this.discard(spool);
    await Promise.all(this.#settling);
    await this.#turn;
  }

  async #name(spool: Spool, sha256: string): Promise<void> {
    const known = this.#files.get(sha256);
    if (known !== undefined) {
      await promisify(unlink)(spool.path);
      known.flows += 1;
      this.#used -= spool.size;
      return;
    }
    const path = join(this.#directory, sha256);
    // A file of that name from an earlier capture belongs to records that we do not know: it is never taken away.
    const foreign = await promisify(lstat)(path).then(() => 1, () => 0);
    await promisify(rename)(spool.path, path);
    this.#files.set(sha256, { flows: 1 + foreign, size: spool.size });
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => {});
    return result;
  }

  #track(step: Promise<void>): Promise<void> {
    const settled = step.finally(() => this.#settling.delete(settled));
    this.#settling.add(settled);
    return settled;
  }

  #begin(account: SpoolAccount, highWater?: number): Spool {
    const spool = new Spool(join(this.#directory, PARTIAL + randomBytes(12).toString('hex')), account, highWater);
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
