/**
 * The client's side of HTTP/1: reads requests from one connection, one exchange at a time, and
 * writes the responses. Pipelined requests wait in the buffer until their turn.
 */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { ClientExchange, ResponseHead } from '../relay/exchange.ts';
import { bodyReader, type BodyHandler, type BodyReader } from './body.ts';
import { Http1Exchange, type ExchangeOwner } from './exchange.ts';
import { Http1SyntaxError, MAX_HEAD_BYTES, NO_BODY, parseRequestHead, requestFraming, writeHead, type Framing, type RequestLine } from './head.ts';

/** Bytes of later requests that wait behind the exchange under way before the connection is paused. */
const MAX_PIPELINED = 256 * 1024;

export interface Http1ServerEvents {
  /** The scheme, authority and path behind a request target; throws `bad_request`. */
  route(line: RequestLine): { scheme: 'http' | 'https'; authority: string; path: string };
  onExchange(exchange: ClientExchange): void;
  /** A head that cannot be read; the codec answers nothing by itself. */
  onBadHead(error: MentuError, answer: (head: ResponseHead, body: Buffer) => void): void;
  onClose(): void;
}

export class Http1Server implements BodyHandler, ExchangeOwner {
  readonly #socket: Duplex;
  readonly #events: Http1ServerEvents;
  #pending: Buffer | null = null;
  #exchange: Http1Exchange | null = null;
  #reader: BodyReader | null = null;
  #ended = false;
  #detached = false;
  #paused = false;
  #parsing = false;

  constructor(socket: Duplex, events: Http1ServerEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('error', ignore);
    socket.on('drain', this.#onDrain);
  }

  get isIdle(): boolean {
    return this.#exchange === null && this.#pending === null;
  }

  /** Ends the connection once the exchange under way is over. */
  close(): void {
    this.#ended = true;
    if (this.#exchange === null) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#pending = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#parse();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    // A client that ends its side while an answer is due has gone, as far as HTTP clients go.
    if (this.#exchange) this.#exchange.clientGone();
    else this.#socket.end();
  };

  readonly #onClose = (): void => {
    this.#ended = true;
    this.#exchange?.clientGone();
    if (!this.#detached) this.#events.onClose();
  };

  readonly #onDrain = (): void => {
    this.#exchange?.drained();
  };

  /** Reads on as far as bytes and exchanges allow. */
  #parse(): void {
    if (this.#parsing) return;
    this.#parsing = true;
    try {
      while (this.#pending !== null && !this.#detached) {
        if (this.#reader) {
          if (!this.#exchange!.wantsBody) break;
          this.#readBody(this.#pending);
        } else if (this.#exchange || this.#ended) {
          break;
        } else if (!this.#readHead(this.#pending)) {
          break;
        }
      }
    } finally {
      this.#parsing = false;
    }
    this.#applyPause();
  }

  #readHead(bytes: Buffer): boolean {
    let start = 0;
    // Empty lines before a request are skipped (RFC 9112, section 2.2).
    while (bytes[start] === 0x0d && bytes[start + 1] === 0x0a) start += 2;
    const end = bytes.indexOf('\r\n\r\n', start, 'latin1');
    if (end === -1 || end - start > MAX_HEAD_BYTES) {
      if (bytes.length - start > MAX_HEAD_BYTES) this.#refuse('the head is longer than 128 KiB');
      return false;
    }
    let line: RequestLine;
    let framing: Framing;
    let route: { scheme: 'http' | 'https'; authority: string; path: string };
    try {
      line = parseRequestHead(bytes.toString('latin1', start, end));
      framing = requestFraming(line);
      route = this.#events.route(line);
    } catch (error) {
      this.#refuse(error);
      return false;
    }
    this.#pending = end + 4 === bytes.length ? null : bytes.subarray(end + 4);
    const exchange = new Http1Exchange(this.#socket, line, framing, route, this);
    this.#exchange = exchange;
    this.#reader = framing === NO_BODY ? null : bodyReader(framing);
    this.#events.onExchange(exchange);
    return true;
  }

  #readBody(bytes: Buffer): void {
    const reader = this.#reader!;
    try {
      const taken = reader.read(bytes, this);
      if (this.#pending === bytes) this.#pending = taken === bytes.length ? null : bytes.subarray(taken);
      if (reader.done) {
        this.#reader = null;
        this.#exchange?.bodyEnded(reader.trailers);
      }
    } catch (error) {
      if (!(error instanceof Http1SyntaxError)) throw error;
      this.#reader = null;
      this.#pending = null;
      this.#ended = true;
      this.#exchange?.events?.onClientError(new MentuError('bad_request', { reason: error.message }));
    }
  }

  onBody(chunk: Buffer): void {
    this.#exchange?.events?.onRequestData(chunk);
  }

  #refuse(error: unknown): void {
    this.#pending = null;
    this.#ended = true;
    const reason = error instanceof MentuError ? error : new MentuError('bad_request', { reason: error instanceof Error ? error.message : String(error) });
    this.#events.onBadHead(reason, (head, body) => {
      this.#socket.end(Buffer.concat([Buffer.from(writeHead(`HTTP/1.1 ${head.status} ${head.statusText}`, head.headers), 'latin1'), body]));
    });
  }

  bodyWanted(): void {
    if (this.#pending !== null) this.#parse();
    else this.#applyPause();
  }

  #applyPause(): void {
    const held = this.#pending?.length ?? 0;
    const pause = this.#exchange !== null && ((this.#reader !== null && !this.#exchange.wantsBody) || held > MAX_PIPELINED);
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }

  exchangeOver(keep: boolean): void {
    this.#exchange = null;
    if (!keep || this.#ended) {
      this.#ended = true;
      this.#reader = null;
      this.#pending = null;
      this.#socket.end();
      // Whatever still comes is read and dropped, lest the close become a reset that eats the answer.
      this.#socket.resume();
      return;
    }
    this.#parse();
  }

  detach(): Duplex {
    this.#detached = true;
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('drain', this.#onDrain);
    socket.off('close', this.#onClose);
    socket.pause();
    if (this.#pending) socket.unshift(this.#pending);
    this.#pending = null;
    return socket;
  }
}

function ignore(): void {
  // 'close' follows and is what counts.
}
