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
  #held = false;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Takes the head; it leaves with the first write, or at the end of this turn. */
  open(head: string, chunked: boolean): void {
    this.#head = head;
    this.#chunked = chunked;
    this.#hold();
  }

  /**
   * Short writes leave when all that the event loop found readable has been read. Each write wakes a peer that
   * sleeps, which costs more than the write; in a row they find it awake.
   */
  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#socket.cork();
    setImmediate(flush, this);
  }

  /** Lets what is held leave now. */
  flush(): void {
    if (this.#head !== null) this.#socket.write(this.#head, 'latin1');
    this.#head = null;
    if (!this.#held) return;
    this.#held = false;
    this.#socket.uncork();
  }

  /** False asks for a pause until the socket's 'drain'. */
  write(chunk: Buffer): boolean {
    const socket = this.#socket;
    this.#hold();
    const before = (this.#head ?? '') + (this.#chunked ? chunk.length.toString(16) + '\r\n' : '');
    const after = this.#chunked ? '\r\n' : '';
    this.#head = null;
    let room: boolean;
    if (before === '') {
      room = socket.write(chunk);
    } else if (chunk.length <= COALESCE) {
      const whole = Buffer.allocUnsafe(before.length + chunk.length + after.length);
      whole.write(before, 0, 'latin1');
      chunk.copy(whole, before.length);
      if (after !== '') whole.write(after, before.length + chunk.length, 'latin1');
      room = socket.write(whole);
    } else {
      socket.write(before, 'latin1');
      room = socket.write(chunk);
      if (after !== '') room = socket.write(after, 'latin1');
    }
    if (chunk.length > COALESCE) this.flush();
    return room;
  }

  /** Trailers need a chunked body (RFC 9112, section 7.1.2); elsewhere they are dropped. */
  end(trailers: Headers | null): void {
    let last = this.#head ?? '';
    this.#head = null;
    if (this.#chunked) last += trailers ? writeHead('0', trailers) : '0\r\n\r\n';
    if (last === '') return;
    this.#hold();
    this.#socket.write(last, 'latin1');
  }
}

function flush(writer: MessageWriter): void {
  writer.flush();
}
