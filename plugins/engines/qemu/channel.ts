/**
 * The control channel: lines between the helper and the guest's agent over a port of the virtual serial bus. What the
 * guest says is not trusted: lines are bounded, and what is not understood is passed over.
 */
import type { Socket } from 'node:net';

/** Bytes that the guest may have said without a line's end. */
const LINE_LIMIT = 1024;

export class ControlChannel {
  /** The agent waits for `go`. */
  readonly ready: Promise<void>;
  /** The command has been started. */
  readonly running: Promise<void>;
  /** The command's exit code; all that it wrote has been handed over. */
  readonly exited: Promise<number>;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    const [ready, running, exited] = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<number>()];
    this.ready = ready.promise;
    this.running = running.promise;
    this.exited = exited.promise;
    for (const promise of [this.ready, this.running, this.exited]) promise.catch(() => undefined);
    socket.on('error', () => undefined); // its end tells
    let line = '';
    const take = (text: string): void => {
      const [word, value] = text.split(' ');
      const code = Number(value);
      if (word === 'ready') ready.resolve();
      else if (word === 'running') running.resolve();
      else if (word === 'exit' && Number.isInteger(code) && code >= 0 && code <= 255) exited.resolve(code);
    };
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      const lines = (line + chunk).split('\n');
      line = lines.pop()!.slice(-LINE_LIMIT);
      lines.forEach(take);
    });
  }

  /** Lets the command start. `now`: milliseconds since 1970; the guest's clock gets whole seconds and is never behind. */
  go(now: number = Date.now()): void {
    this.#send(`go ${Math.ceil(now / 1000)}`);
  }

  /** A signal to the command, or to the foreground group of its terminal. */
  signal(number: number): void {
    this.#send(`signal ${number}`);
  }

  resize(columns: number, rows: number): void {
    this.#send(`size ${columns} ${rows}`);
  }

  /** Nobody reads the command's stdout, or its stderr, any more. */
  unread(stream: 'stdout' | 'stderr'): void {
    this.#send(`unread ${stream}`);
  }

  #send(line: string): void {
    if (this.#socket.writable) this.#socket.write(`${line}\n`);
  }
}
