/** One side of a connection in the hands of a test: writes bytes, and waits, bounded in time, for bytes that it expects. */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds that anything expected may take. */
export const PATIENCE = 5_000;

/** What a promise resolves to, or an error that names what did not happen in time. */
export async function soon<T>(what: string, promise: Promise<T>, patience = PATIENCE): Promise<T> {
  const ended = new AbortController();
  const late = sleep(patience, undefined, { signal: ended.signal, ref: false }).then(
    () => {
      throw new Error(`not within ${patience} ms: ${what}`);
    },
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
  }
}

/** Waits until a condition holds. */
export async function until(what: string, holds: () => boolean, patience = PATIENCE): Promise<void> {
  const limit = performance.now() + patience;
  while (!holds()) {
    if (performance.now() > limit) throw new Error(`not within ${patience} ms: ${what}`);
    await sleep(2);
  }
}

export class Wire implements Disposable {
  readonly socket: Duplex;
  /** What ended the connection, if anything did. */
  error: Error | null = null;
  #received: Buffer = Buffer.alloc(0);
  #ended = false;
  #closed = false;

  constructor(socket: Duplex) {
    this.socket = socket;
    socket.on('error', (error) => (this.error = error));
    socket.on('data', (chunk: Buffer) => (this.#received = Buffer.concat([this.#received, chunk])));
    socket.on('end', () => (this.#ended = true));
    socket.on('close', () => (this.#closed = true));
  }

  /** True once the other side has ended its half. */
  get ended(): boolean {
    return this.#ended || this.#closed;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** All that came and was not taken, as latin1. */
  get text(): string {
    return this.#received.toString('latin1');
  }

  write(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** Takes what has come up to and with `mark`. */
  async take(mark: string): Promise<string> {
    let at = -1;
    await until(`${JSON.stringify(mark)} after ${JSON.stringify(this.text.slice(-200))}`, () => {
      at = this.#received.indexOf(mark, 0, 'latin1');
      return at !== -1 || this.ended;
    });
    if (at === -1) throw new Error(`the connection ended (${this.error?.message ?? 'cleanly'}) before ${JSON.stringify(mark)}, after ${JSON.stringify(this.text)}`);
    return this.#cut(at + Buffer.byteLength(mark, 'latin1'));
  }

  async takeBytes(length: number): Promise<string> {
    await until(`${length} bytes`, () => this.#received.length >= length || this.ended);
    if (this.#received.length < length) throw new Error(`the connection ended after ${this.#received.length} of ${length} bytes`);
    return this.#cut(length);
  }

  /** All bytes up to the end of the connection. */
  async takeAll(): Promise<string> {
    await until('the end of the connection', () => this.ended);
    return this.#cut(this.#received.length);
  }

  /** One HTTP/1 response with a Content-Length. */
  async takeResponse(): Promise<{ head: string; body: string }> {
    const head = await this.take('\r\n\r\n');
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    return { head, body: await this.takeBytes(length) };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #cut(length: number): string {
    const taken = this.#received.toString('latin1', 0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }
}
