/** The upstream's side of HTTP/3: one connection, many requests at a time. */
import { MentuError } from '../errors.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import type { Headers } from '../headers.ts';
import { REFUSED } from '../http2/reset.ts';
import type { QuicConnection, QuicEnd, QuicStream } from '../quic/connection.ts';
import { Http3UpstreamExchange } from './client-exchange.ts';
import { codeName } from './error-code.ts';
import { Http3Session } from './session.ts';
import { Http3UpgradeExchange, type UpgradeSession } from './upstream-upgrade.ts';

/** What has a stream of the connection, or waits for one. */
interface StreamUser {
  readonly id: number | null;
  begin(stream: QuicStream): void;
  /** @param untouched the server has not looked at it. @param code why, in the words of HTTP/2. */
  fail(error: MentuError, untouched: boolean, code?: number): void;
  connectionGone(error: MentuError): void;
}

export class Http3Client implements UpgradeSession {
  readonly #session: Http3Session;
  /** Names the upstream in errors. */
  readonly host: string;
  readonly #onClose: (end: QuicEnd) => void;
  readonly #open = new Set<StreamUser>();
  /** Exchanges for which the server allows no stream yet, in the order in which they came. */
  readonly #queue: StreamUser[] = [];
  #leaving = false;
  #used = 0;

  constructor(connection: QuicConnection, host: string, onClose: (end: QuicEnd) => void) {
    this.host = host;
    this.#onClose = onClose;
    this.#session = new Http3Session(connection, 'client', {
      onRequestStream: () => {},
      onGoaway: (id) => this.#goaway(id),
      onStreamsAllowed: () => this.#openQueued(),
      onExhausted: () => this.#retire(),
      onClose: (end) => this.#closed(end),
    });
  }

  get isFree(): boolean {
    return !this.isClosed;
  }

  get isClosed(): boolean {
    return this.#leaving || this.#session.isClosed;
  }

  get used(): number {
    return this.#used;
  }

  /** Calls back with whether the upstream takes extended CONNECT (RFC 9220), once its SETTINGS have come. */
  whenSettled(settled: (takesUpgrades: boolean) => void): void {
    this.#session.whenSettled(settled);
  }

  /** Throws a TypeError for what no field can hold, or the server does not take. */
  send(head: RequestHead, events: UpstreamEvents): UpstreamExchange {
    if (head.protocol !== undefined) return this.#upgrade(head, events);
    const frame = this.frame([':method', head.method, ':scheme', head.scheme, ':authority', head.authority, ':path', head.path], head.headers);
    this.#used++;
    const exchange = new Http3UpstreamExchange(this.#session, { head, frame, host: this.host, events, onOver: () => this.onOver(exchange) });
    this.enqueue(exchange);
    return exchange;
  }

  #upgrade(head: RequestHead, events: UpstreamEvents): UpstreamExchange {
    this.#used++;
    return new Http3UpgradeExchange(this, this.#session, head, events);
  }

  frame(pseudo: readonly string[], headers: Headers): Buffer {
    const { encoder, peerMaxFieldSection } = this.#session;
    const frame = encoder.frame(pseudo, headers.raw);
    if (encoder.listSize > peerMaxFieldSection) throw new TypeError(`the server takes no field section of ${encoder.listSize} bytes`);
    return frame;
  }

  enqueue(exchange: StreamUser): void {
    this.#open.add(exchange);
    this.#queue.push(exchange);
    this.#openQueued();
  }

  destroy(): void {
    this.#session.close();
  }

  #openQueued(): void {
    while (this.#queue.length > 0 && !this.isClosed) {
      const stream = this.#session.open();
      if (!stream) return;
      this.#queue.shift()!.begin(stream);
    }
  }

  /** Requests from the id on were not looked at, nor will be (RFC 9114, section 5.2). */
  #goaway(id: number): void {
    this.#leaving = true;
    const error = new MentuError('upstream_aborted', { host: this.host, reason: 'the server takes no further requests (GOAWAY)' });
    this.#queue.length = 0;
    for (const exchange of [...this.#open]) if (exchange.id === null || exchange.id >= id) exchange.fail(error, true, REFUSED);
    this.#endWhenIdle();
  }

  /** What is under way goes on; what was not sent yet goes elsewhere. */
  #retire(): void {
    this.#leaving = true;
    const error = new MentuError('upstream_aborted', { host: this.host, reason: 'the connection takes no further requests' });
    for (const exchange of this.#queue.splice(0)) exchange.fail(error, true, REFUSED);
    this.#endWhenIdle();
  }

  onOver(exchange: StreamUser): void {
    if (!this.#open.delete(exchange)) return;
    if (exchange.id === null && this.#queue.includes(exchange)) this.#queue.splice(this.#queue.indexOf(exchange), 1);
    this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    if (this.#leaving && this.#open.size === 0) this.#session.close();
  }

  #closed(end: QuicEnd): void {
    const reason = end.reason || (end.by === 'timeout' ? 'nothing was heard of it' : `the connection was closed (${end.isApplication ? codeName(end.code) : `0x${end.code.toString(16)}`})`);
    const error = new MentuError('upstream_aborted', { host: this.host, reason });
    for (const exchange of [...this.#open]) exchange.connectionGone(error);
    this.#open.clear();
    this.#queue.length = 0;
    this.#onClose(end);
  }
}
