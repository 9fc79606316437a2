/** Files that settings come from: each is read once, so that what was hashed is what was parsed. */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import { MentuError, type ErrorPlace } from '../../core/index.ts';

/** Larger than any settings file or CA bundle. */
const MAX_BYTES = 4 * 1024 * 1024;

export interface SourceText {
  /** Absolute. */
  readonly path: string;
  /** The path as messages show it: as the user gave it, or relative to the working directory where it lies in it. */
  readonly shown: string;
  readonly text: string;
}

export interface SourceFile extends SourceText {
  readonly bytes: Buffer;
}

export interface ReadRequest {
  /** What the file is, for the message: `profile`, `preset`. */
  readonly what: string;
  /** Where the file is named, if a file names it. */
  readonly place?: ErrorPlace | undefined;
  readonly shown?: string;
  /** Refuse a path whose last part is a symbolic link. */
  readonly noFollow?: boolean;
  /** Take bytes that are not UTF-8 as they come, for a format that is checked later. */
  readonly anyBytes?: boolean;
}

export class SourceFiles {
  readonly cwd: string;
  readonly #texts = new Map<string, SourceFile>();
  readonly #hashes = new Map<string, string>();

  constructor(cwd: string) {
    this.cwd = cwd;
  }

  /** SHA-256 in hex of every file read so far, by absolute path. */
  get hashes(): ReadonlyMap<string, string> {
    return this.#hashes;
  }

  /** An absolute path as messages show it. */
  show(path: string): string {
    const inside = relative(this.cwd, path);
    return inside === '' || inside.startsWith('..') || isAbsolute(inside) ? path : inside;
  }

  /** Reads a regular file of UTF-8 text, of 4 MiB at most. Neither a FIFO nor a device can hold it up. */
  read(path: string, request: ReadRequest): SourceFile {
    const absolute = resolve(this.cwd, path);
    const known = this.#texts.get(absolute);
    if (known) return known;
    const shown = request.shown ?? this.show(absolute);
    const refuse = (reason: string, cause?: unknown) =>
      new MentuError('file_unreadable', { what: request.what, file: shown, reason }, { cause, place: request.place ?? { file: shown } });

    let bytes: Buffer;
    try {
      bytes = readRegularFile(absolute, request.noFollow === true);
    } catch (error) {
      throw refuse(reasonOf(error), error);
    }
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: request.anyBytes !== true }).decode(bytes);
    } catch (error) {
      throw refuse('it is not UTF-8 text', error);
    }
    const source = { path: absolute, shown, text, bytes };
    this.#texts.set(absolute, source);
    this.#hashes.set(absolute, sha256(bytes));
    return source;
  }
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function readRegularFile(path: string, noFollow: boolean): Buffer {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | (noFollow ? constants.O_NOFOLLOW : 0));
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) throw new Error('it is a folder');
    if (!stat.isFile()) throw new Error('it is not a regular file');
    if (stat.size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is not a folder',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EISDIR: 'it is a folder',
  ELOOP: 'it is a symbolic link',
  ENXIO: 'it is not a regular file',
};

/** A failure of the file system in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code !== undefined && REASONS[code]) || message;
}
