/** The upstream's side of HTTP/1: writes one request at a time to one connection and reads the response. */
import type { Duplex } from 'node:stream';
import { MentuError, type ErrorCode } from '../errors.ts';
import type { RequestHead, ResponseHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import { Backlog } from './backlog.ts';
import { bodyReader, type BodyHandler, type BodyReader } from './body.ts';
import { Http1SyntaxError, MAX_HEAD_BYTES, NO_BODY, UNTIL_CLOSE, isPersistent, parseStatusHead, responseFraming } from './head.ts';
import { Http1UpstreamExchange, type UpstreamConnection } from './upstream-exchange.ts';

export class Http1Client implements BodyHandler, UpstreamConnection {
  readonly #socket: Duplex;
  readonly #host: string;
  readonly #onIdleClose: () => void;
  readonly #backlog = new Backlog();
  #exchange: Http1UpstreamExchange | null = null;
  #reader: BodyReader | null = null;
  #untilClose = false;
  #complete = false;
  #persistent = true;
  #closed = false;
  #detached = false;
  #used = 0;
  #failure = 'the connection was closed';

  constructor(socket: Duplex, host: string, onIdleClose: () => void) {
    this.#socket = socket;
    this.#host = host;
    this.#onIdleClose = onIdleClose;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('error', this.#onError);
    socket.on('drain', this.#onDrain);
  }

  get isFree(): boolean {
    return !this.#closed && this.#exchange === null;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** The connection has become another protocol's. */
  get isDetached(): boolean {
    return this.#detached;
  }

  /** Exchanges made on the connection so far. */
  get used(): number {
    return this.#used;
  }

  /** Sends a request head; the connection must be free. */
  send(head: RequestHead, events: UpstreamEvents): UpstreamExchange {
    this.#used++;
    const exchange = new Http1UpstreamExchange(this, this.#socket, head, events);
    this.#exchange = exchange;
    return exchange;
  }

  /** Closes the connection, unless it has become another protocol's. */
  destroy(): void {
    this.#closed = true;
    if (!this.#detached) this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#exchange || this.#exchange.answered) {
      // Bytes nobody asked for: the connection cannot be trusted any further.
      this.destroy();
      return;
    }
    this.#exchange.touched = true;
    const backlog = this.#backlog;
    backlog.add(chunk);
    try {
      while (backlog.length > 0 && this.#exchange && !this.#detached) {
        const taken = this.#reader ? this.#reader.read(backlog.bytes, this) : this.#readHead(backlog);
        if (taken === 0) return;
        backlog.take(taken);
        if (this.#complete || this.#reader?.done) return this.#finish(backlog.length > 0);
      }
    } catch (error) {
      if (!(error instanceof Http1SyntaxError)) throw error;
      this.#fail('upstream_protocol_error', error.message);
    }
  };

  #readHead(backlog: Backlog): number {
    const end = backlog.headEnd();
    if (end === -1 || end > MAX_HEAD_BYTES) {
      if (backlog.length > MAX_HEAD_BYTES) throw new Http1SyntaxError('the head is longer than 128 KiB');
      return 0;
    }
    const exchange = this.#exchange!;
    const line = parseStatusHead(backlog.bytes.toString('latin1', 0, end));
    const head = (hasBody: boolean): ResponseHead => ({
      status: line.status,
      statusText: line.reason,
      httpVersion: line.version.slice(5),
      headers: line.headers,
      hasBody,
    });
    // A tunnel has no body (RFC 9110, section 9.3.6).
    const tunnel = exchange.method === 'CONNECT' && line.status >= 200 && line.status < 300;
    if (line.status === 101 || tunnel) {
      const { length } = backlog;
      this.#upgrade(head(false), backlog.bytes.subarray(end + 4));
      return length;
    }
    if (line.status < 200) {
      exchange.events.onInform(head(false));
      return end + 4;
    }
    const framing = responseFraming(line, exchange.method);
    this.#persistent &&= isPersistent(line.version, line.headers) && framing !== UNTIL_CLOSE;
    this.#untilClose = framing === UNTIL_CLOSE;
    exchange.events.onResponse(head(framing !== NO_BODY));
    if (framing === NO_BODY) this.#complete = true;
    else this.#reader = bodyReader(framing);
    return end + 4;
  }

  onBody(chunk: Buffer): void {
    this.#exchange?.events.onResponseData(chunk);
  }

  /** The response is complete. `surplus`: bytes follow that no request asked for, so the connection ends here. */
  #finish(surplus: boolean): void {
    const exchange = this.#exchange;
    const trailers = this.#reader?.trailers ?? null;
    this.#reader = null;
    this.#complete = false;
    if (!exchange) return;
    exchange.answered = true;
    if (surplus) this.#persistent = false;
    if (exchange.requestComplete) {
      // The connection is free, or closed, before the callback, which may send the next request.
      this.#release(exchange);
      exchange.events.onResponseEnd(trailers);
      return;
    }
    exchange.events.onResponseEnd(trailers);
    // A server that will close does not want the rest.
    if (!this.#persistent) this.#fail('upstream_aborted', 'it answered before the request was whole, and closed');
  }

  #release(exchange: Http1UpstreamExchange): void {
    this.#exchange = null;
    exchange.over = true;
    if (this.#persistent && !this.#closed) {
      if (this.#socket.isPaused()) this.#socket.resume();
      return;
    }
    this.#closed = true;
    this.#socket.destroy();
  }

  #upgrade(head: ResponseHead, rest: Buffer): void {
    const exchange = this.#exchange!;
    this.#detached = true;
    this.#closed = true;
    this.#exchange = null;
    exchange.over = true;
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    socket.off('drain', this.#onDrain);
    socket.pause();
    // Each half has an end of its own from here on.
    socket.allowHalfOpen = true;
    if (rest.length > 0) socket.unshift(rest);
    exchange.events.onUpgrade(head, socket);
  }

  readonly #onEnd = (): void => {
    this.#closed = true;
    if (this.#untilClose && this.#exchange && this.#reader) {
      this.#persistent = false;
      this.#finish(false);
    } else if (this.#exchange) {
      this.#fail('upstream_aborted', this.#failure);
    }
    this.#socket.end();
  };

  readonly #onError = (error: Error): void => {
    this.#failure = error.message;
  };

  readonly #onClose = (): void => {
    this.#closed = true;
    if (this.#exchange) this.#fail('upstream_aborted', this.#failure);
    this.#onIdleClose();
  };

  readonly #onDrain = (): void => {
    this.#exchange?.events.onUpstreamDrain();
  };

  #fail(code: ErrorCode, reason: string): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#closed = true;
    if (exchange && !exchange.over) {
      exchange.over = true;
      exchange.events.onUpstreamError(new MentuError(code, { reason, host: this.#host }), !exchange.touched);
    }
    this.#socket.destroy();
  }

  requestSent(exchange: Http1UpstreamExchange): void {
    if (this.#exchange === exchange && exchange.answered) this.#release(exchange);
  }

  endInput(): void {
    this.#persistent = false;
    this.#socket.end();
  }

  abandon(exchange: Http1UpstreamExchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = null;
    this.destroy();
  }
}
