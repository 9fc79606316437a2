/** `keys.log`: the lines of a key log, each written as it comes, so that a reader beside the job has them in time. */
import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import { MentuError } from '../../core/index.ts';

export interface KeyFileOptions {
  readonly path: string;
  /** Told once where lines are lost; the traffic goes on. */
  warn(error: MentuError): void;
}

/** Its size follows the connections, some 1 KiB for each of TLS 1.3, as the size of the record does. */
export class KeyFile {
  readonly #options: KeyFileOptions;
  readonly #fd: number;
  #failed = false;
  /** The last line was cut short by a full disk. */
  #isCut = false;

  /** Makes the file, 0600, or goes on at its end; follows no symbolic link. Throws `record_not_writable`. */
  constructor(options: KeyFileOptions) {
    this.#options = options;
    const { path } = options;
    try {
      this.#fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
      if (!fstatSync(this.#fd).isFile()) throw new Error('it is no regular file');
      fchmodSync(this.#fd, 0o600);
    } catch (cause) {
      throw new MentuError('record_not_writable', { path, reason: (cause as Error).message }, { cause });
    }
  }

  /** A line with its newline. Synchronous: the handshake goes on when the line is in the system's hands. */
  add(line: string): void {
    const text = this.#isCut ? `\n${line}` : line;
    try {
      const written = writeSync(this.#fd, text);
      this.#isCut = written < text.length;
      if (this.#isCut) throw new Error('the disk took no more bytes');
    } catch (error) {
      if (this.#failed) return;
      this.#failed = true;
      this.#options.warn(new MentuError('key_log_incomplete', { path: this.#options.path, reason: (error as Error).message }));
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
