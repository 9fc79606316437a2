/** The guest's stdin, stdout and stderr: bytes between the descriptors that the host gave and the machine's ports. */
import { closeSync, createReadStream, createWriteStream, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { finished } from 'node:stream/promises';
import { ReadStream, WriteStream, isatty } from 'node:tty';
import { GUEST_STDIO } from '../plane/message.ts';
import type { MachinePorts } from './machine.ts';

const [STDIN, STDOUT, STDERR] = GUEST_STDIO;

export class GuestStdio {
  /** All that the guest wrote has been written. */
  readonly drained: Promise<void>;

  /** `unread` is called where nobody reads what the guest writes. */
  constructor(ports: MachinePorts, unread: (stream: 'stdout' | 'stderr') => void) {
    const input = readerOf(STDIN);
    input.on('error', () => input.destroy());
    const source = ports.terminal ?? ports.stdin;
    // The port's other half lives on: only what goes to the guest ends here.
    input.pipe(source, { end: ports.terminal === null });
    input.on('close', () => ports.terminal === null && source.end());
    source.on('error', () => input.destroy());
    this.drained = ports.terminal
      ? deliverTerminal(ports.terminal)
      : Promise.all([deliver(ports.stdout, writerOf(STDOUT), () => unread('stdout')), deliver(ports.stderr, writerOf(STDERR), () => unread('stderr'))]).then(() => undefined);
  }
}

/** A terminal's output ends with the guest. Stderr is a second descriptor of the same pipe. */
async function deliverTerminal(terminal: Socket): Promise<void> {
  closeSync(STDERR);
  const output = writerOf(STDOUT);
  await deliver(terminal, output, () => undefined);
  output.end();
}

async function deliver(port: Socket, output: NodeJS.WritableStream, unread: () => void): Promise<void> {
  let broken = false;
  output.on('error', () => {
    broken = true;
    unread();
    port.unpipe(output).resume(); // what comes until the guest has noticed is nobody's
  });
  port.on('error', () => port.destroy());
  port.pipe(output, { end: false });
  await finished(port, { writable: false }).catch(() => undefined);
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
