/**
 * A pseudo-terminal: the slave is the guest's stdin, stdout and stderr, the master is read and written by the host.
 * ioctl numbers are asm-generic's.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { ReadStream } from 'node:tty';
import type { GuestTerminal } from '../engine.ts';
import { LibC } from '../libc.ts';

const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;
const TIOCSWINSZ = 0x5414;
const TIOCGPGRP = 0x540f;

export class Terminal implements GuestTerminal {
  readonly input: NodeJS.WritableStream;
  readonly output: NodeJS.ReadableStream;
  readonly #libc: LibC;
  readonly #fd: number;
  readonly #master: ReadStream;
  #slave: number | null;

  private constructor(libc: LibC, master: number, slave: number) {
    this.#libc = libc;
    this.#fd = master;
    this.#slave = slave;
    this.#master = new ReadStream(master);
    this.input = this.#master as unknown as NodeJS.WritableStream;
    // A master whose slaves are all closed reads EIO: the ordinary end of a terminal.
    const output = new PassThrough();
    this.#master.on('error', () => output.end());
    this.#master.pipe(output);
    this.output = output;
  }

  static async open(columns: number, rows: number): Promise<Terminal> {
    const libc = await LibC.load();
    const flags = constants.O_RDWR | constants.O_NOCTTY;
    const master = openSync('/dev/ptmx', flags);
    const word = Buffer.alloc(4);
    libc.ioctl(master, TIOCSPTLCK, word);
    libc.ioctl(master, TIOCGPTN, word);
    const terminal = new Terminal(libc, master, openSync(`/dev/pts/${word.readUInt32LE(0)}`, flags));
    terminal.resize(columns, rows);
    return terminal;
  }

  /** The descriptor for the guest; until `release`. */
  get slave(): number {
    if (this.#slave === null) throw new Error('the slave has been released');
    return this.#slave;
  }

  /** Leaves the slave to the guest, so that the master sees the end when the guest is gone. */
  release(): void {
    if (this.#slave !== null) closeSync(this.#slave);
    this.#slave = null;
  }

  resize(columns: number, rows: number): void {
    const size = Buffer.alloc(8); // struct winsize: rows, columns, and two sizes in pixels
    size.writeUInt16LE(rows, 0);
    size.writeUInt16LE(columns, 2);
    if (!this.#master.destroyed) this.#libc.ioctl(this.#fd, TIOCSWINSZ, size);
  }

  /** Sends a signal to the foreground process group; false where there is none any more. */
  signal(name: NodeJS.Signals): boolean {
    const group = Buffer.alloc(4);
    try {
      this.#libc.ioctl(this.#fd, TIOCGPGRP, group);
      const id = group.readInt32LE(0);
      return id > 1 && process.kill(-id, name);
    } catch {
      return false;
    }
  }

  close(): void {
    this.release();
    this.#master.destroy();
  }
}
