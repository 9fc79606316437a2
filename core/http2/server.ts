/** The client's side of HTTP/2 (RFC 9113): one session, one exchange for each stream. */
import { constants, performServerHandshake, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import { Headers } from '../headers.ts';
import { MAX_FIELDS, MAX_HEAD_BYTES } from '../http1/head.ts';
import type { ClientEvents, ClientExchange, RequestHead, ResponseHead } from '../exchange.ts';
import { fieldObject, regularFields } from './fields.ts';
import { BROKEN, receivedReset, resetStream } from './reset.ts';
import { Http2Tunnel } from './tunnel.ts';

/** Bytes that a stream, and the whole connection, may have on the way to us unread. */
export const STREAM_WINDOW = 1024 * 1024;
export const CONNECTION_WINDOW = 8 * 1024 * 1024;
const MAX_STREAMS = 256;
/** The same bounds for heads as in HTTP/1; node:http2's own are lower, and it ends the whole connection at them. */
export const LIMITS = { maxHeaderListPairs: MAX_FIELDS, maxSendHeaderBlockLength: MAX_HEAD_BYTES };
const UPGRADES = { enableConnectProtocol: true };
const FLAG_END_STREAM = 0x1;

export interface Http2ServerEvents {
  onExchange(exchange: ClientExchange): void;
  onClose(): void;
}

export class Http2Server {
  readonly #session: Http2Session;
  #open = 0;

  /** @param takesUpgrades offers extended CONNECT from the beginning (RFC 8441, section 3). */
  constructor(socket: Duplex, scheme: 'http' | 'https', events: Http2ServerEvents, takesUpgrades = false) {
    const session = performServerHandshake(socket, {
      ...LIMITS,
      settings: {
        ...(takesUpgrades ? UPGRADES : {}), initialWindowSize: STREAM_WINDOW, maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEAD_BYTES },
    });
    this.#session = session;
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.on('stream', (stream, _headers, flags, rawHeaders) => {
      this.#open++;
      stream.on('close', () => this.#open--);
      events.onExchange(new Http2Exchange(session, stream as ServerHttp2Stream, rawHeaders, scheme, (flags & FLAG_END_STREAM) === 0));
    });
    session.on('error', ignore);
    session.on('close', () => events.onClose());
    // Half of a connection carries no HTTP/2: a client that has ended its side is gone, whether it said so or not.
    socket.once('end', () => {
      session.destroy();
      // The session waits for what it has still to write, at times for ever.
      socket.destroy();
    });
  }

  /** Offers extended CONNECT from now on. */
  offerUpgrades(): void {
    if (!this.#session.closed && !this.#session.destroyed && !this.#session.localSettings.enableConnectProtocol) this.#session.settings(UPGRADES);
  }

  get isIdle(): boolean {
    return this.#open === 0;
  }

  /** Refuses new streams and ends the connection after those under way (GOAWAY). */
  close(): void {
    if (!this.#session.closed) this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }
}

function ignore(): void {
  // 'close' follows and is what counts.
}

class Http2Exchange implements ClientExchange {
  readonly head: RequestHead;
  readonly #stream: ServerHttp2Stream;
  readonly #session: Http2Session;
  #events: ClientEvents | null = null;
  #trailers: Headers | null = null;
  #started = false;
  #requestEnded: boolean;
  #complete = false;
  #over = false;
  /** Trailers, or that there are none, are said after the last byte. */
  #waits = false;
  #isSent = false;
  #isAbandoned = false;

  constructor(session: Http2Session, stream: ServerHttp2Stream, raw: string[], scheme: 'http' | 'https', hasBody: boolean) {
    this.#session = session;
    this.#stream = stream;
    this.#requestEnded = !hasBody;
    const pseudo = (name: string): string => {
      for (let i = 0; i < raw.length && raw[i]!.startsWith(':'); i += 2) if (raw[i] === name) return raw[i + 1]!;
      return '';
    };
    const protocol = pseudo(':protocol') || undefined;
    this.head = {
      method: pseudo(':method'),
      scheme,
      authority: pseudo(':authority'),
      path: pseudo(':path') || '/',
      httpVersion: '2',
      headers: regularFields(raw),
      // What follows an extended CONNECT is the other protocol's.
      hasBody: hasBody && protocol === undefined,
      wantsUpgrade: protocol !== undefined,
      protocol,
    };
    stream.on('error', ignore);
    stream.on('close', () => this.#closed());
    // They may come before the body is asked for.
    if (hasBody) stream.on('trailers', (_headers, _flags, raw) => (this.#trailers = new Headers(raw as unknown as string[])));
  }

  attach(events: ClientEvents): void {
    this.#events = events;
    if (this.#over) events.onClientAbort();
  }

  get responded(): boolean {
    return this.#stream.headersSent;
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    const stream = this.#stream;
    const events = this.#events!;
    if (this.head.wantsUpgrade) return;
    if (!this.head.hasBody) {
      stream.resume();
      return;
    }
    stream.on('data', (chunk: Buffer) => events.onRequestData(chunk));
    stream.on('end', () => {
      // 'end' also comes before the 'close' of a stream that was reset: half a request must not look whole upstream.
      if (this.#over || stream.aborted || (stream.rstCode ?? 0) !== constants.NGHTTP2_NO_ERROR) return;
      this.#requestEnded = true;
      events.onRequestEnd(this.#trailers);
    });
  }

  pauseRequest(): void {
    this.#stream.pause();
  }

  resumeRequest(): void {
    this.#stream.resume();
  }

  inform(head: ResponseHead): void {
    this.#attempt(() => this.#stream.additionalHeaders({ ':status': head.status, ...fieldObject(head.headers) }));
  }

  respond(head: ResponseHead): void {
    const stream = this.#stream;
    // Beside a length HTTP/1 has no trailers, HTTP/2 may.
    const waitForTrailers = head.hasBody && (!head.httpVersion.startsWith('1') || !head.headers.has('content-length'));
    this.#attempt(() => stream.respond([':status', String(head.status), ...head.headers.raw], { endStream: !head.hasBody, waitForTrailers, sendDate: false } as never));
    this.#waits = waitForTrailers;
    if (head.hasBody) stream.on('drain', () => this.#events?.onClientDrain());
  }

  write(chunk: Buffer): boolean {
    return this.#stream.destroyed || this.#stream.write(chunk);
  }

  end(trailers: Headers | null): void {
    const stream = this.#stream;
    this.#complete = true;
    if (stream.destroyed || stream.writableEnded) return;
    stream.on('wantTrailers', () => {
      this.#attempt(() => stream.sendTrailers(trailers ? fieldObject(trailers) : {}));
      // They go out at the end of this turn, and a reset in it would take their place.
      setImmediate(() => {
        this.#isSent = true;
        if (this.#isAbandoned) this.abandonRequest();
      });
    });
    stream.end();
    // The client's half was to become the other protocol's, and does not.
    if (this.head.wantsUpgrade) this.abandonRequest();
  }

  abandonRequest(): void {
    this.#isAbandoned = true;
    if (this.#waits && !this.#isSent) return;
    // Says that the answer is whole and the rest unwanted (RFC 9113, section 8.1).
    if ((!this.#requestEnded || this.head.wantsUpgrade) && !this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  reset(code = BROKEN): void {
    this.#over = true;
    resetStream(this.#stream, code, this.#stream.headersSent && !this.#waits);
  }

  detach(head: ResponseHead): Duplex | null {
    const stream = this.#stream;
    this.#attempt(() => stream.respond([':status', String(head.status), ...head.headers.raw], { sendDate: false } as never));
    if (!stream.headersSent) return null;
    this.#over = true;
    return new Http2Tunnel(stream);
  }

  /** Runs what node:http2 refuses by throwing: a head that HTTP/2 has no form for. A stream that is closed says so by its 'close'. */
  #attempt(action: () => void): void {
    if (this.#stream.destroyed || this.#stream.closed) return;
    try {
      action();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#events?.onClientError(new MentuError('upstream_protocol_error', { host: this.head.authority, reason }, { cause }));
    }
  }

  #closed(): void {
    if (this.#over) return;
    this.#over = true;
    // The stream may close after our answer while the client still sends: that is no abort.
    if (!this.#complete || this.#stream.rstCode === constants.NGHTTP2_CANCEL) this.#events?.onClientAbort(receivedReset(this.#session, this.#stream));
  }
}
