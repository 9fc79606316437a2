/** One request to a server of HTTP/3 and its response: a bidirectional stream, or the wait for one. */
import { MentuError } from '../errors.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import type { Headers } from '../headers.ts';
import { REFUSED } from '../http2/reset.ts';
import type { QuicStream, QuicStreamEvents } from '../quic/connection.ts';
import { H3, Http3ConnectionError, Http3StreamError, codeName } from './error-code.ts';
import { announcedLength, malformed, responseHead, responseStatus } from './message-fields.ts';
import { MessageReader, type MessageEvents } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';
import type { Http3Session } from './session.ts';

export interface UpstreamRequest {
  readonly head: RequestHead;
  /** The head as a HEADERS frame. */
  readonly frame: Buffer;
  /** Names the upstream in errors. */
  readonly host: string;
  readonly events: UpstreamEvents;
  readonly onOver: () => void;
}

export class Http3UpstreamExchange implements UpstreamExchange, QuicStreamEvents, MessageEvents {
  readonly #session: Http3Session;
  readonly #request: UpstreamRequest;
  #stream: QuicStream | null = null;
  #reader: MessageReader | null = null;
  #writer: MessageWriter | null = null;
  /** What came of the request before there was a stream: no more than one chunk, for the client is asked to wait. */
  #early: Buffer[] = [];
  #ended: { readonly trailers: Headers | null } | null = null;
  #paused = false;
  #touched = false;
  #answered = false;
  /** The server reads no further, and why. */
  #stopped: number | null = null;
  #over = false;

  constructor(session: Http3Session, request: UpstreamRequest) {
    this.#session = session;
    this.#request = request;
  }

  /** Null while there is no stream. */
  get id(): number | null {
    return this.#stream?.id ?? null;
  }

  begin(stream: QuicStream): void {
    const { head, frame, events } = this.#request;
    this.#stream = stream;
    this.#reader = new MessageReader(stream, this.#session.decoder, true, this);
    this.#writer = new MessageWriter(stream);
    stream.attach(this);
    if (this.#paused) this.#reader.pause();
    if (!head.hasBody) return this.#writer.end(frame);
    this.#writer.section(frame);
    const early = this.#early;
    this.#early = [];
    let hasRoom = true;
    for (const chunk of early) hasRoom = this.#writer.data(chunk);
    if (this.#ended) return this.#endRequest(this.#ended.trailers);
    if (hasRoom && early.length > 0) events.onUpstreamDrain();
  }

  // The relay's side.

  write(chunk: Buffer): boolean {
    if (this.#over || this.#stopped !== null) return true;
    if (this.#writer) return this.#writer.data(chunk);
    this.#early.push(chunk);
    return false;
  }

  end(trailers: Headers | null): void {
    if (this.#over || this.#ended) return;
    this.#ended = { trailers };
    if (this.#writer) this.#endRequest(trailers);
    this.#settle();
  }

  #endRequest(trailers: Headers | null): void {
    if (!trailers || trailers.size === 0) return this.#writer!.end(null);
    try {
      this.#writer!.end(this.#session.encoder.frame([], trailers.raw));
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      this.fail(new MentuError('upstream_protocol_error', { host: this.#request.host, reason: cause.message }, { cause }), false);
    }
  }

  /** A stream has no half that could end apart from its connection. */
  endConnection(): boolean {
    return this.#over;
  }

  pauseResponse(): void {
    this.#paused = true;
    this.#reader?.pause();
  }

  resumeResponse(): void {
    this.#paused = false;
    this.#reader?.resume();
  }

  reset(): void {
    if (!this.#over) this.#leave(H3.requestCancelled);
  }

  // The stream.

  onData(chunk: Buffer): void {
    if (!this.#over) this.#reader!.push(chunk);
  }

  onEnd(): void {
    if (!this.#over) this.#reader!.end();
  }

  onReset(code: number): void {
    if (this.#over || this.#reader!.isOver) return;
    // Refused before it was looked at (RFC 9114, section 4.1.1).
    const isRefused = code === H3.requestRejected;
    this.fail(this.#aborted(`it reset the stream (${codeName(code)})`), isRefused || !this.#touched, isRefused ? REFUSED : undefined);
  }

  onStopSending(code: number): void {
    if (this.#over || this.#ended) return;
    this.#stopped = code;
    this.#writer!.reset(code);
    if (this.#answered) this.#overtaken();
    else this.#request.events.onUpstreamDrain();
  }

  onDrain(): void {
    this.#writer!.drained();
    if (!this.#over) this.#request.events.onUpstreamDrain();
  }

  connectionGone(error: MentuError): void {
    if (this.#over) return;
    this.#over = true;
    this.#reader?.abandon();
    this.#request.events.onUpstreamError(error, !this.#touched);
  }

  fail(error: MentuError, untouched: boolean, code?: number): void {
    if (this.#over) return;
    this.#leave(H3.requestCancelled);
    this.#request.events.onUpstreamError(error, untouched, code);
  }

  // The response.

  isInterim(fields: string[]): boolean {
    this.#touched = true;
    const status = responseStatus(fields);
    if (status >= 200) return false;
    this.#request.events.onInform(responseHead(fields, status, false));
    return true;
  }

  onHead(fields: string[], hasBody: boolean): number | null {
    const status = responseStatus(fields);
    const isBare = this.#request.head.method === 'HEAD' || status === 204 || status === 304;
    const head = responseHead(fields, status, hasBody && !isBare);
    const announced = isBare ? null : announcedLength(head.headers);
    if (!hasBody && announced !== null && announced > 0) throw malformed('the body is shorter than its content-length');
    this.#request.events.onResponse(head);
    return isBare ? 0 : announced;
  }

  onBody(piece: Buffer): void {
    if (!this.#over) this.#request.events.onResponseData(piece);
  }

  onMessageEnd(trailers: Headers | null): void {
    if (this.#over) return;
    this.#answered = true;
    this.#settle();
    this.#request.events.onResponseEnd(trailers);
    if (this.#stopped !== null) this.#overtaken();
  }

  onFault(error: unknown): void {
    if (error instanceof Http3ConnectionError) return this.#session.fail(error);
    if (!(error instanceof Http3StreamError)) throw error;
    if (this.#over) return;
    this.#leave(error.code);
    this.#request.events.onUpstreamError(new MentuError('upstream_protocol_error', { host: this.#request.host, reason: error.message }), false);
  }

  /** The answer is whole, and the server does not want the rest of the request. */
  #overtaken(): void {
    if (this.#over) return;
    this.#leave(H3.noError);
    this.#request.events.onUpstreamError(this.#aborted('it does not read the rest of the request'), false);
  }

  #aborted(reason: string): MentuError {
    return new MentuError('upstream_aborted', { host: this.#request.host, reason });
  }

  #settle(): void {
    if (!this.#over && this.#answered && (this.#ended || !this.#request.head.hasBody)) this.#leave(H3.noError);
  }

  /** @param code for what is not whole yet. */
  #leave(code: number): void {
    this.#over = true;
    this.#early = [];
    this.#writer?.reset(code);
    if (this.#reader && !this.#reader.isOver) {
      this.#reader.abandon();
      this.#stream!.stopReading(code);
    }
    this.#request.onOver();
  }
}
