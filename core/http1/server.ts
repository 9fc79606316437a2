/**
 * The client's side of HTTP/1: reads requests from one connection, one exchange at a time, and
 * writes the responses. Pipelined requests wait in the buffer until their turn.
 */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { ClientExchange, ResponseHead } from '../exchange.ts';
import { Backlog } from './backlog.ts';
import { bodyReader, type BodyHandler, type BodyReader } from './body.ts';
import { endAndLinger } from './closing.ts';
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
  readonly #backlog = new Backlog();
  #exchange: Http1Exchange | null = null;
  #reader: BodyReader | null = null;
  /** The client has ended its half. */
  #inputEnded = false;
  /** No further request is taken. */
  #ended = false;
  /** What still comes is dropped. */
  #leaving = false;
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
    return this.#exchange === null && this.#backlog.length === 0;
  }

  /** Ends the connection once the exchange under way is over. */
  close(): void {
    this.#ended = true;
    if (this.#exchange === null) this.#leave();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#leaving) return;
    this.#backlog.add(chunk);
    this.#parse();
  };

  readonly #onEnd = (): void => {
    this.#inputEnded = true;
    this.#parse();
  };

  readonly #onClose = (): void => {
    this.#ended = true;
    this.#exchange?.clientGone();
    this.#events.onClose();
  };

  readonly #onDrain = (): void => {
    this.#exchange?.drained();
  };

  /** Reads on as far as bytes and exchanges allow. */
  #parse(): void {
    if (this.#parsing) return;
    this.#parsing = true;
    try {
      while (this.#backlog.length > 0 && !this.#detached) {
        if (this.#reader) {
          if (!this.#exchange!.wantsBody) break;
          this.#readBody(this.#reader);
        } else if (this.#exchange || this.#ended) {
          break;
        } else if (!this.#readHead()) {
          break;
        }
      }
    } finally {
      this.#parsing = false;
    }
    if (this.#inputEnded) this.#inputOver();
    this.#applyPause();
  }

  /** What the end of the client's half means, once all before it is read as far as it can be. */
  #inputOver(): void {
    if (this.#detached || this.#leaving) return;
    if (this.#exchange === null) this.#leave();
    else if (this.#backlog.length > 0) return;
    else if (this.#reader) this.#exchange.clientGone();
    else this.#exchange.halfClosed();
  }

  #readHead(): boolean {
    const backlog = this.#backlog;
    // Empty lines before a request are skipped (RFC 9112, section 2.2).
    let start = 0;
    while (backlog.bytes[start] === 0x0d && backlog.bytes[start + 1] === 0x0a) start += 2;
    if (start > 0) backlog.take(start);
    const end = backlog.headEnd();
    if (end === -1 || end > MAX_HEAD_BYTES) {
      if (backlog.length > MAX_HEAD_BYTES) this.#refuse('the head is longer than 128 KiB');
      return false;
    }
    let line: RequestLine;
    let framing: Framing;
    let route: { scheme: 'http' | 'https'; authority: string; path: string };
    try {
      line = parseRequestHead(backlog.bytes.toString('latin1', 0, end));
      framing = requestFraming(line);
      route = this.#events.route(line);
    } catch (error) {
      this.#refuse(error);
      return false;
    }
    backlog.take(end + 4);
    const exchange = new Http1Exchange(this.#socket, line, framing, route, this);
    this.#exchange = exchange;
    this.#reader = framing === NO_BODY ? null : bodyReader(framing);
    this.#events.onExchange(exchange);
    return true;
  }

  #readBody(reader: BodyReader): void {
    const { bytes } = this.#backlog;
    try {
      const taken = reader.read(bytes, this);
      // A reset in the middle of the body has dropped the rest.
      if (this.#reader !== reader) return;
      this.#backlog.take(taken);
      if (!reader.done) return;
      this.#reader = null;
      this.#exchange?.bodyEnded(reader.trailers);
    } catch (error) {
      if (!(error instanceof Http1SyntaxError)) throw error;
      this.#reader = null;
      this.#backlog.clear();
      this.#ended = true;
      this.#exchange?.events?.onClientError(new MentuError('bad_request', { reason: error.message }));
    }
  }

  onBody(chunk: Buffer): void {
    this.#exchange?.events?.onRequestData(chunk);
  }

  #refuse(error: unknown): void {
    const reason = error instanceof MentuError ? error : new MentuError('bad_request', { reason: error instanceof Error ? error.message : String(error) });
    this.#events.onBadHead(reason, (head, body) => {
      this.#socket.write(Buffer.concat([Buffer.from(writeHead(`HTTP/1.1 ${head.status} ${head.statusText}`, head.headers), 'latin1'), body]));
    });
    this.#leave();
  }

  bodyWanted(): void {
    if (this.#backlog.length > 0) this.#parse();
    else this.#applyPause();
  }

  #applyPause(): void {
    if (this.#detached || this.#leaving) return;
    const pause = this.#exchange !== null && ((this.#reader !== null && !this.#exchange.wantsBody) || this.#backlog.length > MAX_PIPELINED);
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }

  exchangeOver(keep: boolean): void {
    this.#exchange = null;
    if (keep && !this.#ended) this.#parse();
    else this.#leave();
  }

  #leave(): void {
    if (this.#leaving || this.#detached) return;
    this.#ended = true;
    this.#leaving = true;
    this.#reader = null;
    this.#backlog.clear();
    endAndLinger(this.#socket);
  }

  detach(): Duplex {
    this.#detached = true;
    const socket = this.#socket;
    // 'close' stays: the session ends with the connection, whatever is spoken on it.
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('drain', this.#onDrain);
    socket.pause();
    if (this.#backlog.length > 0) socket.unshift(this.#backlog.bytes);
    this.#backlog.clear();
    return socket;
  }
}

function ignore(): void {
  // 'close' follows and is what counts.
}
