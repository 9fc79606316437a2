/**
 * Brings the secrets of QUIC connections to a key log. The binding writes them to a file by name and nowhere else: here
 * it is one that nobody else can name, for it has been removed from its folder, and it is emptied as it is read.
 */
import { closeSync, constants, ftruncateSync, openSync, readFileSync, unlinkSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { KeyLog } from '../tls/key-log.ts';

export class QuicKeyRelay {
  readonly #log: KeyLog;
  readonly #fd: number;
  #closed = false;

  /** @param folder where the file is for a moment. Throws the system's error where it cannot be made. */
  constructor(log: KeyLog, folder: string) {
    this.#log = log;
    const file = join(folder, `.quic-keys-${randomBytes(6).toString('hex')}`);
    this.#fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    unlinkSync(file);
  }

  /** The file, for the binding to open and to append to. */
  get path(): string {
    return `/proc/self/fd/${this.#fd}`;
  }

  /** Passes on what has been written. To be called while a handshake goes on, after each datagram that was read. */
  drain(): void {
    if (this.#closed) return;
    const lines = readFileSync(this.path, 'latin1');
    if (lines === '') return;
    ftruncateSync(this.#fd);
    this.#log.write(lines);
  }

  close(): void {
    if (!this.#closed) closeSync(this.#fd);
    this.#closed = true;
  }
}
