/** An extended CONNECT (RFC 8441) to an upstream: a tunnel where it consents, a response like any other where not. */
import { constants, type ClientHttp2Stream } from 'node:http2';
import { MentuError } from '../errors.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import { responseHead } from './fields.ts';
import { HTTP1_REQUIRED, cancelStream } from './reset.ts';
import { Http2Tunnel } from './tunnel.ts';

const FLAG_END_STREAM = 0x1;

/** The session that the stream is one of. */
export interface UpgradeSession {
  readonly host: string;
  readonly isClosed: boolean;
  /** Calls back once it is known whether the upstream takes extended CONNECT. */
  whenSettled(settled: (takesUpgrades: boolean) => void): void;
  request(raw: string[]): ClientHttp2Stream;
  failure(): string;
}

export class Http2UpgradeExchange implements UpstreamExchange {
  readonly #session: UpgradeSession;
  readonly #events: UpstreamEvents;
  #stream: ClientHttp2Stream | null = null;
  #touched = false;
  #over = false;

  constructor(session: UpgradeSession, head: RequestHead, events: UpstreamEvents) {
    this.#session = session;
    this.#events = events;
    session.whenSettled((takesUpgrades) => {
      if (this.#over) return;
      if (takesUpgrades && !session.isClosed) return this.#ask(head);
      const reason = session.isClosed ? session.failure() : 'it takes no extended CONNECT (RFC 8441)';
      // Not in this turn: whoever asks does not know the exchange yet.
      setImmediate(() => this.#fail(new MentuError('upstream_protocol_error', { host: session.host, reason }), HTTP1_REQUIRED));
    });
  }

  #ask(head: RequestHead): void {
    const raw = [':method', 'CONNECT', ':protocol', head.protocol!, ':scheme', head.scheme, ':authority', head.authority, ':path', head.path];
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request([...raw, ...head.headers.raw]);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      return void setImmediate(() => this.#fail(new MentuError('upstream_aborted', { host: this.#session.host, reason }, { cause })));
    }
    this.#stream = stream;
    let reason: string | null = null;
    const onData = (chunk: Buffer): void => this.#events.onResponseData(chunk);
    const onEnd = (): void => this.#responseEnded(stream);
    stream.on('headers', (_headers, _flags, informational) => {
      this.#touched = true;
      if (!this.#over) this.#events.onInform(responseHead(informational as unknown as string[], false));
    });
    stream.on('response', (_headers, flags, answer) => {
      this.#touched = true;
      if (this.#over) return;
      const hasBody = (flags & FLAG_END_STREAM) === 0;
      const response = responseHead(answer as unknown as string[], hasBody);
      if (response.status >= 200 && response.status < 300) {
        this.#over = true;
        return this.#events.onUpgrade({ ...response, hasBody: false }, new Http2Tunnel(stream));
      }
      stream.on('data', onData).on('end', onEnd);
      this.#events.onResponse(response);
    });
    stream.on('error', (error: Error) => (reason = error.message));
    stream.on('close', () => this.#fail(new MentuError('upstream_aborted', { host: this.#session.host, reason: reason ?? this.#session.failure() })));
  }

  #responseEnded(stream: ClientHttp2Stream): void {
    if (this.#over || stream.aborted || (stream.rstCode ?? 0) !== constants.NGHTTP2_NO_ERROR) return;
    this.#over = true;
    this.#events.onResponseEnd(null);
    // The half that was to become the tunnel's is still open.
    stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #fail(error: MentuError, code?: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.onUpstreamError(error, !this.#touched, code);
  }

  /** There is no body: what the client sends belongs to the tunnel. */
  write(): boolean {
    return true;
  }

  end(): void {}

  endConnection(): boolean {
    return this.#over;
  }

  pauseResponse(): void {
    this.#stream?.pause();
  }

  resumeResponse(): void {
    this.#stream?.resume();
  }

  reset(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#stream) cancelStream(this.#stream);
  }
}
