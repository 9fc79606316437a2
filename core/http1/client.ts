/** The upstream's side of HTTP/1: writes one request at a time to one connection and reads the response. */
import type { Duplex } from 'node:stream';
import { MentuError, type ErrorCode } from '../errors.ts';
import type { Headers } from '../headers.ts';
import type { RequestHead, ResponseHead, UpstreamEvents, UpstreamExchange } from '../relay/exchange.ts';
import { bodyReader, type BodyHandler, type BodyReader } from './body.ts';
import { Http1SyntaxError, MAX_HEAD_BYTES, NO_BODY, UNTIL_CLOSE, isPersistent, parseStatusHead, responseFraming, writeHead } from './head.ts';
import { MessageWriter } from './writer.ts';

export class Http1Client implements BodyHandler {
  readonly #socket: Duplex;
  readonly #host: string;
  readonly #onIdleClose: () => void;
  #exchange: Http1UpstreamExchange | null = null;
  #pending: Buffer | null = null;
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

  destroy(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#exchange) {
      // Bytes nobody asked for: the connection cannot be trusted any further.
      this.destroy();
      return;
    }
    let bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = null;
    try {
      while (bytes.length > 0 && this.#exchange && !this.#detached) {
        const taken = this.#reader ? this.#reader.read(bytes, this) : this.#readHead(bytes);
        if (taken === 0) {
          this.#pending = bytes;
          return;
        }
        bytes = taken === bytes.length ? EMPTY : bytes.subarray(taken);
        if (this.#complete || this.#reader?.done) return this.#finish(bytes.length > 0);
      }
    } catch (error) {
      if (!(error instanceof Http1SyntaxError)) throw error;
      this.#fail('upstream_protocol_error', error.message);
    }
  };

  #readHead(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
    if (end === -1 || end > MAX_HEAD_BYTES) {
      if (bytes.length > MAX_HEAD_BYTES) throw new Http1SyntaxError('the head is longer than 128 KiB');
      return 0;
    }
    const exchange = this.#exchange!;
    exchange.touched = true;
    const line = parseStatusHead(bytes.toString('latin1', 0, end));
    const head = (hasBody: boolean): ResponseHead => ({
      status: line.status,
      statusText: line.reason,
      httpVersion: line.version.slice(5),
      headers: line.headers,
      hasBody,
    });
    if (line.status === 101 || (exchange.method === 'CONNECT' && line.status >= 200 && line.status < 300)) {
      this.#upgrade(head(false), bytes.subarray(end + 4));
      return bytes.length;
    }
    if (line.status < 200) {
      exchange.events.onInform(head(false));
      return end + 4;
    }
    const framing = responseFraming(line, exchange.method);
    this.#persistent = isPersistent(line.version, line.headers) && framing !== UNTIL_CLOSE;
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
    // The connection is free, or closed, before the callback, which may send the next request.
    this.#exchange = null;
    exchange.over = true;
    if (surplus || !exchange.requestComplete || !this.#persistent) this.#closed = true;
    if (this.#closed) this.#socket.destroy();
    else if (this.#socket.isPaused()) this.#socket.resume();
    exchange.events.onResponseEnd(trailers);
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
    if (rest.length > 0) socket.unshift(rest);
    exchange.events.onUpgrade(head, socket);
  }

  readonly #onEnd = (): void => {
    this.#closed = true;
    if (this.#untilClose && this.#exchange && this.#reader) {
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

  /** The relay breaks the exchange off: the connection cannot be used again. */
  abandon(exchange: UpstreamExchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = null;
    this.destroy();
  }
}

const EMPTY = Buffer.alloc(0);

class Http1UpstreamExchange implements UpstreamExchange {
  readonly method: string;
  readonly events: UpstreamEvents;
  touched = false;
  over = false;
  requestComplete = false;
  readonly #client: Http1Client;
  readonly #writer: MessageWriter;
  readonly #socket: Duplex;

  constructor(client: Http1Client, socket: Duplex, head: RequestHead, events: UpstreamEvents) {
    this.#client = client;
    this.#socket = socket;
    this.#writer = new MessageWriter(socket);
    this.events = events;
    this.method = head.method;
    const chunked = head.hasBody && !head.headers.has('content-length');
    if (chunked && !head.headers.has('transfer-encoding')) head.headers.append('transfer-encoding', 'chunked');
    const version = head.httpVersion === '1.0' ? 'HTTP/1.0' : 'HTTP/1.1';
    this.#writer.open(writeHead(`${head.method} ${head.path} ${version}`, head.headers), chunked);
  }

  write(chunk: Buffer): boolean {
    return this.over || chunk.length === 0 || this.#writer.write(chunk);
  }

  end(trailers: Headers | null): void {
    if (this.over || this.requestComplete) return;
    this.requestComplete = true;
    this.#writer.end(trailers);
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
    this.#client.abandon(this);
  }
}
