/** The guest's stdin, stdout and stderr: bytes between the descriptors that the host gave and the machine's ports. */
import { closeSync, createReadStream, createWriteStream, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { ReadStream, WriteStream, isatty } from 'node:tty';
import { GUEST_STDIO } from '../plane/message.ts';
import type { MachinePorts } from './machine.ts';
import { MarkedOutput } from './marked-output.ts';
import { TelnetInput, TelnetOutput } from './telnet.ts';

const [STDIN, STDOUT, STDERR] = GUEST_STDIO;
/** A stopped terminal is waited for so long. */
const STOPPED_MS = 3_000;
const CHECK_MS = 20;

export class GuestStdio {
  /** All that came has been written. */
  readonly drained: Promise<void>;
  readonly #shown: readonly MarkedOutput[];

  /** `mark` stands behind all that the guest writes. `unread` is called where nobody reads what the guest writes. */
  constructor(ports: MachinePorts, { mark, isTerminal }: { readonly mark: string; readonly isTerminal: boolean }, unread: (stream: 'stdout' | 'stderr') => void) {
    const input = readerOf(STDIN);
    input.on('error', () => input.destroy());
    ports.stdin.on('error', () => input.destroy());
    if (isTerminal) {
      input.pipe(new TelnetInput()).pipe(ports.stdin, { end: false });
      for (const port of [ports.stdout, ports.stderr]) port.on('error', () => undefined); // its end tells
      const shown = ports.stdout.pipe(new TelnetOutput(mark));
      ports.stdout.once('close', () => shown.end());
      this.#shown = [shown];
      this.drained = deliverTerminal(shown);
      return;
    }
    // The port's other half lives on: only what goes to the guest ends here.
    input.pipe(ports.stdin);
    input.on('close', () => ports.stdin.end());
    const stdout = marked(ports.stdout, mark);
    const stderr = marked(ports.stderr, mark);
    this.#shown = [stdout, stderr];
    this.drained = Promise.all([deliver(stdout, writerOf(STDOUT), () => unread('stdout')), deliver(stderr, writerOf(STDERR), () => unread('stderr'))]).then(() => undefined);
  }

  /**
   * All that the command wrote has come, once its exit code has: its last words come by another way than the code. What
   * says nothing more, though the host would take it, such as a terminal that was stopped, is left alone.
   */
  async complete(): Promise<void> {
    await Promise.all(this.#shown.map(untilMarked));
  }
}

async function untilMarked(shown: MarkedOutput): Promise<void> {
  let over = false;
  void shown.complete.then(() => (over = true));
  // Whoever was complete before has said so in this turn.
  await Promise.resolve();
  for (let idle = 0, seen = -1; !over && idle < STOPPED_MS; await pause(CHECK_MS)) {
    const waits = seen === shown.received && shown.writableLength + shown.readableLength === 0;
    idle = waits ? idle + CHECK_MS : 0;
    seen = shown.received;
  }
}

function marked(port: Duplex, mark: string): MarkedOutput {
  const shown = new MarkedOutput(mark);
  port.on('error', () => port.destroy());
  port.once('close', () => shown.end());
  return port.pipe(shown);
}

/** A terminal's output ends with the guest. Stderr is a second descriptor of the same pipe. */
async function deliverTerminal(shown: MarkedOutput): Promise<void> {
  closeSync(STDERR);
  const output = writerOf(STDOUT);
  await deliver(shown, output, () => undefined);
  output.end();
}

async function deliver(shown: Duplex, output: NodeJS.WritableStream, unread: () => void): Promise<void> {
  let broken = false;
  output.on('error', () => {
    broken = true;
    unread();
    shown.unpipe(output).resume(); // what comes until the guest has noticed is nobody's
  });
  shown.pipe(output, { end: false });
  await finished(shown, { writable: false }).catch(() => undefined);
  if (!broken) await new Promise<void>((resolve) => output.write('', () => resolve()));
}

function readerOf(fd: number): NodeJS.ReadableStream & { destroy(): void } {
  if (isatty(fd)) return new ReadStream(fd);
  const found = fstatSync(fd);
  if (found.isFIFO() || found.isSocket()) return new Socket({ fd, readable: true, writable: false });
  return createReadStream('', { fd, autoClose: false });
}

function writerOf(fd: number): NodeJS.WritableStream {
  if (isatty(fd)) return new WriteStream(fd);
  const found = fstatSync(fd);
  if (found.isFIFO() || found.isSocket()) return new Socket({ fd, readable: false, writable: true });
  // Where the file stands, and at its end where it was opened to append.
  return createWriteStream('', { fd, autoClose: false });
}
