/** One request and its response on an upstream's HTTP/1 connection. */
import type { Duplex } from 'node:stream';
import type { Headers } from '../headers.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import { writeHead } from './head.ts';
import { MessageWriter } from './writer.ts';

/** The connection that an exchange takes place on. */
export interface UpstreamConnection {
  /** The request is written whole. */
  requestSent(exchange: Http1UpstreamExchange): void;
  /** Nothing follows the request on the connection. */
  endInput(): void;
  /** The relay breaks the exchange off: the connection cannot be used again. */
  abandon(exchange: Http1UpstreamExchange): void;
}

export class Http1UpstreamExchange implements UpstreamExchange {
  readonly method: string;
  readonly events: UpstreamEvents;
  /** A byte of an answer has come. */
  touched = false;
  /** The response has come whole. */
  answered = false;
  over = false;
  requestComplete = false;
  readonly #connection: UpstreamConnection;
  readonly #writer: MessageWriter;
  readonly #socket: Duplex;

  constructor(connection: UpstreamConnection, socket: Duplex, head: RequestHead, events: UpstreamEvents) {
    this.#connection = connection;
    this.#socket = socket;
    this.#writer = new MessageWriter(socket);
    this.events = events;
    this.method = head.method;
    const chunked = head.hasBody && !head.headers.has('content-length');
    if (chunked && !head.headers.has('transfer-encoding')) head.headers.append('transfer-encoding', 'chunked');
    const version = head.httpVersion === '1.0' ? 'HTTP/1.0' : 'HTTP/1.1';
    this.#writer.open(writeHead(`${head.method} ${head.method === 'CONNECT' ? head.authority : head.path} ${version}`, head.headers), chunked);
  }

  write(chunk: Buffer): boolean {
    return this.over || chunk.length === 0 || this.#writer.write(chunk);
  }

  end(trailers: Headers | null): void {
    if (this.over || this.requestComplete) return;
    this.requestComplete = true;
    this.#writer.end(trailers);
    this.#connection.requestSent(this);
  }

  endConnection(): boolean {
    if (this.over) return true;
    this.#writer.flush();
    this.#connection.endInput();
    return true;
  }

  pauseResponse(): void {
    if (!this.over) this.#socket.pause();
  }

  resumeResponse(): void {
    if (!this.over) this.#socket.resume();
  }

  reset(): void {
    if (this.over) return;
    this.over = true;
    this.#connection.abandon(this);
  }
}
