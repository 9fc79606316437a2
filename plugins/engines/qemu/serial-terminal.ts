/** A guest's terminal as the host holds it: two pipes to the helper, which joins them to the machine's console. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { LibC } from '../libc.ts';
import type { HeldTerminal } from '../plane/plane-guest.ts';

export class SerialTerminal implements HeldTerminal {
  readonly input: Socket;
  readonly output: Socket;
  /** The helper's ends; until `release`. */
  readonly ends: readonly [number, number, number];
  #resize: (columns: number, rows: number) => void = () => undefined;
  #held = true;

  private constructor(libc: LibC) {
    const [input, output] = [libc.pipe(), libc.pipe()];
    this.input = new Socket({ fd: input.write, readable: false, writable: true });
    this.output = new Socket({ fd: output.read, readable: true, writable: false });
    this.input.on('error', () => undefined); // the guest has ended
    this.ends = [input.read, output.write, output.write];
  }

  static async open(): Promise<SerialTerminal> {
    return new SerialTerminal(await LibC.load());
  }

  /** Leaves the helper's ends to the helper, so that the output ends when the guest is gone. */
  release(): void {
    if (this.#held) for (const fd of new Set(this.ends)) closeSync(fd);
    this.#held = false;
  }

  /** By whom the guest is told of a new size. */
  onResize(tell: (columns: number, rows: number) => void): void {
    this.#resize = tell;
  }

  resize(columns: number, rows: number): void {
    this.#resize(columns, rows);
  }

  close(): void {
    this.release();
    this.input.destroy();
    this.output.destroy();
  }
}
