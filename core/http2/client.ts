/** The upstream's side of HTTP/2: one session, many requests at a time. */
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import { Headers } from '../headers.ts';
import { MAX_HEAD_BYTES } from '../http1/head.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import { fieldObject, responseHead } from './fields.ts';
import { CANCELLED, REFUSED, receivedReset, resetStream } from './reset.ts';
import { CONNECTION_WINDOW, LIMITS, STREAM_WINDOW } from './server.ts';
import { Http2UpgradeExchange, type UpgradeSession } from './upstream-upgrade.ts';

const FLAG_END_STREAM = 0x1;
/** Streams that an upstream is sent before it has said, in its first frame, how many it takes. */
const FIRST_STREAMS = 1;

export class Http2Client implements UpgradeSession {
  readonly #session: ClientHttp2Session;
  readonly host: string;
  /** What the upstream's SETTINGS say of extended CONNECT (RFC 8441); null until they have come. */
  #takesUpgrades: boolean | null = null;
  readonly #onSettings: (() => void)[] = [];
  #closed = false;
  #used = 0;
  #open = 0;
  /** Streams that the upstream takes at a time. */
  #limit = FIRST_STREAMS;
  /** Streams after it were not processed. */
  #lastStream = Infinity;
  readonly #onRoom: () => void;
  #failure = 'the connection was closed';

  /** @param onRoom there is room for a stream, or never again any; called often. */
  constructor(socket: Duplex, scheme: 'http' | 'https', host: string, onClose: () => void, onRoom: () => void) {
    this.host = host;
    this.#onRoom = onRoom;
    this.#session = connect(`${scheme}://upstream.invalid`, {
      createConnection: () => socket,
      ...LIMITS,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW, maxHeaderListSize: MAX_HEAD_BYTES },
    });
    this.#session.on('connect', (session) => session.setLocalWindowSize(CONNECTION_WINDOW));
    this.#session.on('error', (error: Error) => {
      this.#failure = error.message;
    });
    this.#session.on('remoteSettings', ({ enableConnectProtocol, maxConcurrentStreams }) => {
      this.#takesUpgrades = enableConnectProtocol === true;
      for (const ready of this.#onSettings.splice(0)) ready();
      this.#limit = maxConcurrentStreams ?? Infinity;
      onRoom();
    });
    this.#session.on('goaway', (_code, lastStream) => {
      this.#closed = true;
      this.#lastStream = lastStream;
      onRoom();
    });
    this.#session.on('close', () => {
      this.#closed = true;
      for (const ready of this.#onSettings.splice(0)) ready();
      onClose();
    });
  }

  get isFree(): boolean {
    return !this.isClosed && this.#open < this.#limit;
  }

  get isClosed(): boolean {
    return this.#closed || this.#session.closed || this.#session.destroyed;
  }

  get used(): number {
    return this.#used;
  }

  /** Calls back with whether the upstream takes extended CONNECT, once its SETTINGS have come. */
  whenSettled(settled: (takesUpgrades: boolean) => void): void {
    if (this.#takesUpgrades !== null || this.isClosed) return settled(this.#takesUpgrades ?? false);
    this.#onSettings.push(() => settled(this.#takesUpgrades ?? false));
  }

  request(raw: string[]): ClientHttp2Stream {
    return this.#counted(this.#session.request(raw, { endStream: false } as never));
  }

  failure(): string {
    return this.#failure;
  }

  send(head: RequestHead, events: UpstreamEvents): UpstreamExchange {
    this.#used++;
    if (head.protocol) return new Http2UpgradeExchange(this, head, events);
    const raw = [':method', head.method, ':scheme', head.scheme, ':authority', head.authority, ':path', head.path];
    for (const part of head.headers.raw) raw.push(part);
    const stream = this.#session.request(raw, { endStream: !head.hasBody, waitForTrailers: head.hasBody } as never);
    return new Http2UpstreamExchange(this.#counted(stream), head, events, this.host, () => ({
      reason: this.#failure,
      code: (stream.id ?? Infinity) > this.#lastStream ? REFUSED : receivedReset(this.#session, stream),
    }));
  }

  #counted(stream: ClientHttp2Stream): ClientHttp2Stream {
    this.#open++;
    stream.once('close', () => {
      this.#open--;
      this.#onRoom();
    });
    return stream;
  }

  destroy(): void {
    this.#session.destroy();
  }
}

class Http2UpstreamExchange implements UpstreamExchange {
  readonly #stream: ClientHttp2Stream;
  readonly #events: UpstreamEvents;
  readonly #host: string;
  #trailers: Headers | null = null;
  #requestTrailers: Headers | null = null;
  #touched = false;
  #requestComplete = false;
  /** The answer had come whole before the upstream reset the stream, which says that the rest of the request is unwanted. */
  #wasWhole = false;
  #answered = false;
  #over = false;

  constructor(stream: ClientHttp2Stream, head: RequestHead, events: UpstreamEvents, host: string, failure: () => { reason: string; code: number | undefined }) {
    this.#stream = stream;
    this.#events = events;
    this.#host = host;
    let reason: string | null = null;
    stream.on('headers', (_headers, _flags, raw) => {
      this.#touched = true;
      if (!this.#over) events.onInform(responseHead(raw as unknown as string[], false));
    });
    stream.on('response', (_headers, flags, raw) => {
      this.#touched = true;
      const hasBody = (flags & FLAG_END_STREAM) === 0 && head.method !== 'HEAD';
      if (!this.#over) events.onResponse(responseHead(raw as unknown as string[], hasBody));
    });
    stream.on('trailers', (_headers, _flags, raw) => {
      this.#trailers = new Headers(raw as unknown as string[]);
    });
    // Data may still wait to be read. Nothing public tells whether the end has come behind them.
    stream.on('aborted', () => (this.#wasWhole = (stream as unknown as { readonly _readableState: { readonly ended: boolean } })._readableState.ended));
    stream.on('data', (chunk: Buffer) => {
      if (!this.#over) events.onResponseData(chunk);
    });
    stream.on('end', () => this.#end());
    stream.on('drain', () => events.onUpstreamDrain());
    stream.on('wantTrailers', () => this.#sendTrailers());
    stream.on('error', (error: Error) => {
      reason = error.message;
    });
    stream.on('close', () => {
      if (this.#over) return;
      this.#over = true;
      const connection = failure();
            events.onUpstreamError(new MentuError('upstream_aborted', { reason: reason ?? connection.reason, host }), !this.#touched, connection.code);
    });
  }

  #end(): void {
    // 'end' also comes before the 'close' of a stream that was reset.
    if (this.#over || !this.#touched || (this.#stream.rstCode ?? 0) !== constants.NGHTTP2_NO_ERROR || (this.#stream.aborted && !this.#wasWhole)) return;
    this.#answered = true;
    this.#over = this.#requestComplete;
    this.#events.onResponseEnd(this.#trailers);
  }

  write(chunk: Buffer): boolean {
    return this.#stream.destroyed || this.#stream.writableEnded || this.#stream.write(chunk);
  }

  end(trailers: Headers | null): void {
    this.#requestComplete = true;
    if (this.#answered) this.#over = true;
    this.#requestTrailers = trailers;
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end();
  }

  #sendTrailers(): void {
    if (this.#stream.destroyed || this.#stream.closed) return;
    try {
      this.#stream.sendTrailers(this.#requestTrailers ? fieldObject(this.#requestTrailers) : {});
    } catch (cause) {
      if (this.#over) return;
      this.reset();
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#events.onUpstreamError(new MentuError('upstream_protocol_error', { reason, host: this.#host }, { cause }), false);
    }
  }

  /** A stream has no half that could end apart from its connection. */
  endConnection(): boolean {
    return this.#over;
  }

  pauseResponse(): void {
    this.#stream.pause();
  }

  resumeResponse(): void {
    this.#stream.resume();
  }

  reset(code = CANCELLED): void {
    if (this.#over) return;
    this.#over = true;
    resetStream(this.#stream, code, false);
  }
}
