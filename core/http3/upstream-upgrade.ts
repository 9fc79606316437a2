/** An extended CONNECT (RFC 9220) to an upstream: a tunnel where it consents, a response like any other where not. */
import { MentuError } from '../errors.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import type { Headers } from '../headers.ts';
import { HTTP1_REQUIRED, REFUSED } from '../http2/reset.ts';
import type { QuicStream, QuicStreamEvents } from '../quic/connection.ts';
import { H3, Http3ConnectionError, Http3StreamError, codeName } from './error-code.ts';
import { announcedLength, responseHead, responseStatus } from './message-fields.ts';
import { MessageReader, type MessageEvents } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';
import type { Http3Session } from './session.ts';
import { Http3Tunnel } from './tunnel.ts';

/** Milliseconds for the SETTINGS of an upstream, which are the first that it has to say; who owes them is asked over TCP. */
const PATIENCE = 2_000;

/** The connection that the stream is one of. */
export interface UpgradeSession {
  readonly host: string;
  /** Calls back once it is known whether the upstream takes extended CONNECT. */
  whenSettled(settled: (takesUpgrades: boolean) => void): void;
  readonly isClosed: boolean;
  /** The head of a request as a HEADERS frame. Throws a TypeError. */
  frame(pseudo: readonly string[], headers: Headers): Buffer;
  /** Gives the exchange a stream as soon as there is one. */
  enqueue(exchange: Http3UpgradeExchange): void;
  onOver(exchange: Http3UpgradeExchange): void;
}

export class Http3UpgradeExchange implements UpstreamExchange, QuicStreamEvents, MessageEvents {
  readonly #connection: UpgradeSession;
  readonly #session: Http3Session;
  readonly #head: RequestHead;
  readonly #events: UpstreamEvents;
  readonly #unsettled = setTimeout(() => this.#settled('its SETTINGS have not come'), PATIENCE);
  #isSettled = false;
  #frame: Buffer | null = null;
  #stream: QuicStream | null = null;
  #reader: MessageReader | null = null;
  #writer: MessageWriter | null = null;
  #tunnel: Http3Tunnel | null = null;
  #touched = false;
  #over = false;

  constructor(connection: UpgradeSession, session: Http3Session, head: RequestHead, events: UpstreamEvents) {
    this.#connection = connection;
    this.#session = session;
    this.#head = head;
    this.#events = events;
    connection.whenSettled((takesUpgrades) => {
      if (takesUpgrades && !connection.isClosed) this.#settled(null);
      else this.#settled(connection.isClosed ? 'the connection was closed' : 'it takes no extended CONNECT (RFC 9220)');
    });
  }

  /** @param refusal why it cannot be asked for. */
  #settled(refusal: string | null): void {
    if (this.#over || this.#isSettled) return;
    this.#isSettled = true;
    clearTimeout(this.#unsettled);
    if (refusal === null) return this.#ask();
    // Not in this turn: whoever asks does not know the exchange yet.
    setImmediate(() => this.#fail(this.#error('upstream_aborted', refusal), true, HTTP1_REQUIRED));
  }

  #ask(): void {
    const { protocol, scheme, authority, path, headers } = this.#head;
    try {
      this.#frame = this.#connection.frame([':method', 'CONNECT', ':protocol', protocol!, ':scheme', scheme, ':authority', authority, ':path', path], headers);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      return void setImmediate(() => this.#fail(this.#error('upstream_protocol_error', cause.message), false));
    }
    this.#connection.enqueue(this);
  }

  /** Null while there is no stream. */
  get id(): number | null {
    return this.#stream?.id ?? null;
  }

  begin(stream: QuicStream): void {
    this.#stream = stream;
    this.#reader = new MessageReader(stream, this.#session.decoder, true, this);
    this.#writer = new MessageWriter(stream);
    stream.attach(this);
    this.#writer.section(this.#frame!);
  }

  // The relay's side. There is no body: what the client sends belongs to the tunnel.

  write(): boolean {
    return true;
  }

  end(): void {}

  endConnection(): boolean {
    return this.#over;
  }

  pauseResponse(): void {
    this.#reader?.pause();
  }

  resumeResponse(): void {
    this.#reader?.resume();
  }

  reset(): void {
    if (!this.#over) this.#leave(H3.requestCancelled);
  }

  // The stream, until it is a tunnel's.

  onData(chunk: Buffer): void {
    if (!this.#over) this.#reader!.push(chunk);
  }

  onEnd(): void {
    if (!this.#over) this.#reader!.end();
  }

  onReset(code: number): void {
    if (this.#over || this.#reader!.isOver) return;
    const isRefused = code === H3.requestRejected || code === H3.versionFallback;
    this.#fail(this.#error('upstream_aborted', `it reset the stream (${codeName(code)})`), isRefused || !this.#touched, code === H3.versionFallback ? HTTP1_REQUIRED : isRefused ? REFUSED : undefined);
  }

  /** It may still say why. */
  onStopSending(code: number): void {
    this.#writer!.reset(code);
  }

  onDrain(): void {
    this.#writer!.drained();
  }

  connectionGone(error: MentuError): void {
    if (this.#tunnel) return this.#tunnel.connectionGone();
    if (this.#over) return;
    this.#over = true;
    this.#reader?.abandon();
    this.#events.onUpstreamError(error, !this.#touched);
  }

  /** The upstream has not looked at the request, nor will. */
  fail(error: MentuError, untouched: boolean, code?: number): void {
    this.#tunnel?.destroy();
    this.#fail(error, untouched, code);
  }

  // The response.

  isInterim(fields: string[]): boolean {
    this.#touched = true;
    const status = responseStatus(fields);
    if (status >= 200) return false;
    this.#events.onInform(responseHead(fields, status, false));
    return true;
  }

  onHead(fields: string[], hasBody: boolean): number | null {
    const status = responseStatus(fields);
    if (status < 300) return this.#consent(fields, status);
    const isBare = status === 304;
    const head = responseHead(fields, status, hasBody && !isBare);
    const announced = isBare ? 0 : announcedLength(head.headers);
    this.#events.onResponse(head);
    return announced;
  }

  #consent(fields: string[], status: number): null {
    const head = responseHead(fields, status, false);
    const onOver = (): void => this.#connection.onOver(this);
    this.#tunnel = new Http3Tunnel({ stream: this.#stream!, reader: this.#reader!, writer: this.#writer!, onFault: (error) => this.#session.fail(error), onOver });
    this.#tunnel.attach();
    this.#over = true;
    this.#events.onUpgrade(head, this.#tunnel);
    return null;
  }

  onBody(piece: Buffer): void {
    if (!this.#over) this.#events.onResponseData(piece);
  }

  onMessageEnd(trailers: Headers | null): void {
    if (this.#over) return;
    // The half that was to become the tunnel's is still open.
    this.#leave(H3.noError);
    this.#events.onResponseEnd(trailers);
  }

  onFault(error: unknown): void {
    if (error instanceof Http3ConnectionError) return this.#session.fail(error);
    if (!(error instanceof Http3StreamError)) throw error;
    if (this.#over) return;
    this.#leave(error.code);
    this.#events.onUpstreamError(this.#error('upstream_protocol_error', error.message), false);
  }

  #fail(error: MentuError, untouched: boolean, code?: number): void {
    if (this.#over) return;
    this.#leave(H3.requestCancelled);
    this.#events.onUpstreamError(error, untouched, code);
  }

  #error(code: 'upstream_aborted' | 'upstream_protocol_error', reason: string): MentuError {
    return new MentuError(code, { host: this.#connection.host, reason });
  }

  /** @param code for what is not whole yet. */
  #leave(code: number): void {
    this.#over = true;
    clearTimeout(this.#unsettled);
    this.#writer?.reset(code);
    if (this.#reader && !this.#reader.isOver) {
      this.#reader.abandon();
      this.#stream!.stopReading(code);
    }
    this.#connection.onOver(this);
  }
}
