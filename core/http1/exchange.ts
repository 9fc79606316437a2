import type { Duplex } from 'node:stream';
import { Headers } from '../headers.ts';
import type { ClientEvents, ClientExchange, RequestHead, ResponseHead } from '../exchange.ts';
import { breakConnection } from './closing.ts';
import { NO_BODY, isPersistent, writeHead, type Framing, type RequestLine } from './head.ts';
import { MessageWriter } from './writer.ts';

/** The connection that an exchange takes place on. */
export interface ExchangeOwner {
  /** The request body may flow (again), or must wait. */
  bodyWanted(): void;
  /** The exchange is over on both sides; `keep` where the connection outlives it. */
  exchangeOver(keep: boolean): void;
  /** The connection's bytes, which are no longer HTTP. */
  detach(): Duplex;
}

/** One request and its response on a client's HTTP/1 connection. */
export class Http1Exchange implements ClientExchange {
  readonly head: RequestHead;
  events: ClientEvents | null = null;
  requestComplete: boolean;
  readonly #socket: Duplex;
  readonly #owner: ExchangeOwner;
  readonly #persistent: boolean;
  #started = false;
  #held = false;
  readonly #writer: MessageWriter;
  #keep = true;
  /** Set once the response has begun: whether the client can tell a whole body from a broken one. */
  #delimited: boolean | null = null;
  #responseEnded = false;
  #half = false;
  #over = false;

  constructor(socket: Duplex, line: RequestLine, framing: Framing, route: { scheme: 'http' | 'https'; authority: string; path: string }, owner: ExchangeOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#writer = new MessageWriter(socket);
    this.requestComplete = framing === NO_BODY;
    this.#persistent = isPersistent(line.version, line.headers);
    this.head = {
      method: line.method,
      scheme: route.scheme,
      authority: route.authority,
      path: route.path,
      httpVersion: line.version.slice(5),
      headers: line.headers,
      hasBody: framing !== NO_BODY,
      wantsUpgrade: line.method === 'CONNECT' || line.headers.has('upgrade'),
    };
  }

  get wantsBody(): boolean {
    return this.#started && !this.#held;
  }

  attach(events: ClientEvents): void {
    this.events = events;
    if (this.#over) events.onClientAbort();
  }

  get responded(): boolean {
    return this.#delimited !== null;
  }

  start(): void {
    this.#started = true;
    if (!this.requestComplete) this.#owner.bodyWanted();
  }

  pauseRequest(): void {
    this.#held = true;
    this.#owner.bodyWanted();
  }

  resumeRequest(): void {
    this.#held = false;
    this.#owner.bodyWanted();
  }

  inform(head: ResponseHead): void {
    if (!this.#over) this.#socket.write(writeHead(`HTTP/1.1 ${head.status} ${head.statusText}`, head.headers), 'latin1');
  }

  respond(head: ResponseHead): void {
    if (this.#over) return;
    let { headers } = head;
    const version = head.httpVersion === '1.0' ? 'HTTP/1.0' : 'HTTP/1.1';
    const hasLength = !head.hasBody || headers.has('content-length');
    let chunked = !hasLength && headers.has('transfer-encoding');
    // A response from HTTP/2 has no framing of its own; chunked gives it one where the client can read it.
    if (!hasLength && !chunked && !head.httpVersion.startsWith('1') && this.head.httpVersion === '1.1') {
      headers = new Headers([...headers.raw, 'transfer-encoding', 'chunked']);
      chunked = true;
    }
    if (chunked && this.head.httpVersion === '1.0') {
      headers = new Headers([...headers.raw]);
      headers.delete('transfer-encoding');
      chunked = false;
    }
    this.#delimited = hasLength || chunked;
    this.#keep = this.#persistent && this.#delimited && isPersistent(version, headers);
    this.#writer.open(writeHead(`${version} ${head.status} ${head.statusText}`, headers), chunked);
  }

  write(chunk: Buffer): boolean {
    return this.#over || chunk.length === 0 || this.#writer.write(chunk);
  }

  end(trailers: Headers | null): void {
    if (this.#over) return;
    this.#writer.end(trailers);
    this.#responseEnded = true;
    this.#settle();
  }

  bodyEnded(trailers: Headers | null): void {
    this.requestComplete = true;
    this.events?.onRequestEnd(trailers);
    this.#settle();
  }

  abandonRequest(): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.exchangeOver(false);
  }

  reset(): void {
    if (this.#over) return;
    this.#over = true;
    this.#writer.flush();
    // What was sent of a body that has a length or chunks still arrives; the client sees what is missing.
    if (this.#delimited) this.#owner.exchangeOver(false);
    else breakConnection(this.#socket);
  }

  detach(head: ResponseHead): Duplex {
    this.inform(head);
    this.#over = true;
    this.#writer.flush();
    return this.#owner.detach();
  }

  drained(): void {
    if (!this.#over) this.events?.onClientDrain();
  }

  clientGone(): void {
    if (this.#over) return;
    this.#over = true;
    this.events?.onClientAbort();
    this.#socket.destroy();
  }

  /** The client has ended its half after a whole request. */
  halfClosed(): void {
    if (this.#over || this.#half) return;
    this.#half = true;
    this.events?.onClientHalfClose();
  }

  #settle(): void {
    if (this.#over || !this.#responseEnded || !this.requestComplete) return;
    this.#over = true;
    this.#owner.exchangeOver(this.#keep);
  }
}
