/** One request of a client of HTTP/3 and its response: a bidirectional stream. */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { ClientEvents, ClientExchange, RequestHead, ResponseHead } from '../exchange.ts';
import type { Headers } from '../headers.ts';
import type { QuicStream, QuicStreamEvents } from '../quic/connection.ts';
import { H3, Http3ConnectionError, Http3StreamError } from './error-code.ts';
import { announcedLength, malformed, requestHead } from './message-fields.ts';
import { MessageReader, type MessageEvents } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';
import type { Http3Session } from './session.ts';
import { Http3Tunnel } from './tunnel.ts';

const NO_FIELDS: readonly string[] = [];

export interface ExchangeOwner {
  /** The head has come, and is sound. */
  onExchange(exchange: ClientExchange): void;
  /** @param brokenOff by the client. */
  onOver(brokenOff: boolean): void;
}

export class Http3Exchange implements ClientExchange, QuicStreamEvents, MessageEvents {
  /** There from `onExchange` on. */
  head!: RequestHead;
  readonly #stream: QuicStream;
  readonly #session: Http3Session;
  readonly #owner: ExchangeOwner;
  readonly #reader: MessageReader;
  readonly #writer: MessageWriter;
  #events: ClientEvents | null = null;
  /** Of an extended CONNECT: what the client sends, from its head on. */
  #tunnel: Http3Tunnel | null = null;
  #begun = false;
  #started = false;
  #responded = false;
  #over = false;

  constructor(stream: QuicStream, session: Http3Session, owner: ExchangeOwner) {
    this.#stream = stream;
    this.#session = session;
    this.#owner = owner;
    this.#reader = new MessageReader(stream, session.decoder, false, this);
    this.#writer = new MessageWriter(stream);
  }

  // The stream.

  onData(chunk: Buffer): void {
    if (!this.#over) this.#reader.push(chunk);
  }

  onEnd(): void {
    if (!this.#over) this.#reader.end();
  }

  onReset(): void {
    if (this.#over || this.#reader.isOver) return;
    this.#reader.abandon();
    // A response that is under way may still be wanted (RFC 9114, section 4.1.1), but not of half a request.
    this.#gone(H3.requestCancelled);
  }

  onStopSending(code: number): void {
    if (!this.#over && !this.#writer.isOver) this.#gone(code);
  }

  onDrain(): void {
    this.#writer.drained();
    if (!this.#over) this.#events?.onClientDrain();
  }

  connectionGone(): void {
    this.#tunnel?.connectionGone();
    if (this.#over) return;
    this.#over = true;
    this.#reader.abandon();
    this.#events?.onClientAbort();
  }

  #gone(code: number): void {
    this.#break(code);
    this.#leave(true);
    this.#events?.onClientAbort();
  }

  // The request.

  isInterim(): boolean {
    return false;
  }

  onHead(fields: string[], hasBody: boolean): number | null {
    this.head = requestHead(fields, hasBody);
    if (this.head.wantsUpgrade) return this.#awaitUpgrade();
    const announced = announcedLength(this.head.headers);
    if (!hasBody && announced !== null && announced > 0) throw malformed('the body is shorter than its content-length');
    // The body stays in the connection until it is asked for.
    if (hasBody) this.#reader.pause();
    this.#begun = true;
    this.#owner.onExchange(this);
    return announced;
  }

  #awaitUpgrade(): null {
    const onFault = (error: unknown): void => this.#session.fail(error);
    const onOver = (): void => this.#owner.onOver(false);
    this.#tunnel = new Http3Tunnel({ stream: this.#stream, reader: this.#reader, writer: this.#writer, onFault, onOver });
    this.#begun = true;
    this.#owner.onExchange(this);
    return null;
  }

  onBody(piece: Buffer): void {
    if (!this.#over) this.#events?.onRequestData(piece);
  }

  onMessageEnd(trailers: Headers | null): void {
    if (this.head.hasBody && !this.#over) this.#events?.onRequestEnd(trailers);
    this.#settle();
  }

  onFault(error: unknown): void {
    if (error instanceof Http3ConnectionError) return this.#session.fail(error);
    if (!(error instanceof Http3StreamError)) throw error;
    if (this.#over) return;
    this.#reader.abandon();
    this.#stream.stopReading(error.code);
    if (this.#begun && this.#events) return this.#events.onClientError(new MentuError('bad_request', { reason: error.message }));
    this.#writer.reset(error.code);
    this.#leave(true);
  }

  attach(events: ClientEvents): void {
    this.#events = events;
    if (this.#over) events.onClientAbort();
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    if (this.head.hasBody) this.#reader.resume();
  }

  pauseRequest(): void {
    this.#reader.pause();
  }

  resumeRequest(): void {
    this.#reader.resume();
  }

  // The response.

  get responded(): boolean {
    return this.#responded;
  }

  inform(head: ResponseHead): void {
    const frame = this.#frame([':status', String(head.status)], head.headers);
    if (frame) this.#writer.section(frame);
  }

  respond(head: ResponseHead): void {
    if (this.#over) return;
    const frame = this.#frame([':status', String(head.status)], head.headers);
    if (!frame) return;
    this.#responded = true;
    if (head.hasBody) return this.#writer.section(frame);
    this.#writer.end(frame);
  }

  write(chunk: Buffer): boolean {
    return this.#over || this.#writer.data(chunk);
  }

  end(trailers: Headers | null): void {
    if (this.#over) return;
    this.#writer.end(trailers && trailers.size > 0 ? this.#frame(NO_FIELDS, trailers) : null);
    // What was to become the other protocol's, and does not.
    if (this.#tunnel !== null) this.abandonRequest();
    this.#settle();
  }

  abandonRequest(): void {
    // Says that the answer is whole and the rest unwanted (RFC 9114, section 4.1).
    if (this.#over || this.#reader.isOver) return;
    this.#reader.abandon();
    this.#stream.stopReading(H3.noError);
    this.#settle();
  }

  reset(): void {
    if (this.#over) return void this.#tunnel?.destroy();
    this.#break(H3.internalError);
    this.#leave(false);
  }

  detach(head: ResponseHead): Duplex | null {
    const frame = this.#frame([':status', String(head.status)], head.headers);
    if (frame === null || this.#tunnel === null) return null;
    this.#responded = true;
    this.#over = true;
    this.#writer.section(frame);
    this.#tunnel.attach();
    return this.#tunnel;
  }

  #frame(pseudo: readonly string[], headers: Headers): Buffer | null {
    if (this.#over) return null;
    try {
      const { encoder, peerMaxFieldSection } = this.#session;
      const frame = encoder.frame(pseudo, headers.raw);
      if (encoder.listSize > peerMaxFieldSection) throw new TypeError(`the client takes no field section of ${encoder.listSize} bytes`);
      return frame;
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      this.#events?.onClientError(new MentuError('upstream_protocol_error', { host: this.head.authority, reason: cause.message }, { cause }));
      return null;
    }
  }

  #break(code: number): void {
    this.#writer.reset(code);
    if (this.#reader.isOver) return;
    this.#reader.abandon();
    this.#stream.stopReading(code);
  }

  #settle(): void {
    if (!this.#over && this.#writer.isOver && this.#reader.isOver) this.#leave(false);
  }

  #leave(brokenOff: boolean): void {
    this.#over = true;
    this.#owner.onOver(brokenOff);
  }
}
