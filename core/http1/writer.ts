/** Writes one HTTP/1 message: the head travels with the first bytes of the body where both are at hand. */
import type { Duplex } from 'node:stream';
import type { Headers } from '../headers.ts';
import { writeHead } from './head.ts';

/** Head and first bytes up to this size leave in one write, which is one TLS record. */
const COALESCE = 16 * 1024;

export class MessageWriter {
  readonly #socket: Duplex;
  #head: string | null = null;
  #chunked = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Takes the head; it leaves with the first write, or at the end of this turn. */
  open(head: string, chunked: boolean): void {
    this.#head = head;
    this.#chunked = chunked;
    process.nextTick(flush, this);
  }

  flush(): void {
    if (this.#head === null) return;
    this.#socket.write(this.#head, 'latin1');
    this.#head = null;
  }

  /** False asks for a pause until the socket's 'drain'. */
  write(chunk: Buffer): boolean {
    const socket = this.#socket;
    const before = (this.#head ?? '') + (this.#chunked ? chunk.length.toString(16) + '\r\n' : '');
    const after = this.#chunked ? '\r\n' : '';
    this.#head = null;
    if (before === '') return socket.write(chunk);
    if (chunk.length <= COALESCE) {
      const whole = Buffer.allocUnsafe(before.length + chunk.length + after.length);
      whole.write(before, 0, 'latin1');
      chunk.copy(whole, before.length);
      if (after !== '') whole.write(after, before.length + chunk.length, 'latin1');
      return socket.write(whole);
    }
    socket.cork();
    socket.write(before, 'latin1');
    let room = socket.write(chunk);
    if (after !== '') room = socket.write(after, 'latin1');
    socket.uncork();
    return room;
  }

  /** Trailers need a chunked body (RFC 9112, section 7.1.2); elsewhere they are dropped. */
  end(trailers: Headers | null): void {
    let last = this.#head ?? '';
    this.#head = null;
    if (this.#chunked) last += trailers ? writeHead('0', trailers) : '0\r\n\r\n';
    if (last !== '') this.#socket.write(last, 'latin1');
  }
}

function flush(writer: MessageWriter): void {
  writer.flush();
}
