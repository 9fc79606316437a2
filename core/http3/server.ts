/** The client's side of HTTP/3 (RFC 9114): one connection, one exchange for each stream that the client opens. */
import type { ClientExchange } from '../exchange.ts';
import type { QuicConnection, QuicStream } from '../quic/connection.ts';
import { H3 } from './error-code.ts';
import { Http3Exchange } from './server-exchange.ts';
import { Http3Session } from './session.ts';

/** Exchanges that a client may break off beyond those that it lets end. */
const MAX_BROKEN_OFF = 500;

export interface Http3ServerEvents {
  onExchange(exchange: ClientExchange): void;
  onClose(): void;
}

export class Http3Server {
  readonly #session: Http3Session;
  readonly #events: Http3ServerEvents;
  readonly #open = new Set<Http3Exchange>();
  /** The id after the highest stream's. */
  #next = 0;
  /** Streams from this id on are refused. */
  #refusedFrom = Infinity;
  #patience = MAX_BROKEN_OFF;

  constructor(connection: QuicConnection, _scheme: 'https', events: Http3ServerEvents) {
    this.#events = events;
    this.#session = new Http3Session(connection, 'server', {
      onRequestStream: (stream) => this.#accept(stream),
      onGoaway: () => {},
      onStreamsAllowed: () => {},
      onExhausted: () => this.close(),
      onClose: () => this.#closed(),
    });
  }

  get isIdle(): boolean {
    return this.#open.size === 0;
  }

  /**
   * Refuses new streams (GOAWAY). To end the connection is left to the client, which alone knows when it has read all
   * (RFC 9114, section 5.2); one that is silent instead is given up by the transport.
   */
  close(): void {
    if (this.#session.isClosed || this.#refusedFrom !== Infinity) return;
    this.#refusedFrom = this.#next;
    this.#session.goaway(this.#next);
  }

  destroy(): void {
    this.#session.close(H3.noError, 'over');
  }

  /** In whatever order they come: under loss, ids do not only rise. */
  #accept(stream: QuicStream): void {
    if (stream.id >= this.#refusedFrom) {
      stream.attach(UNHEARD);
      stream.stopReading(H3.requestRejected);
      return stream.reset(H3.requestRejected);
    }
    this.#next = Math.max(this.#next, stream.id + 4);
    const exchange: Http3Exchange = new Http3Exchange(stream, this.#session, {
      onExchange: this.#events.onExchange,
      onOver: (brokenOff) => this.#over(exchange, brokenOff),
    });
    this.#open.add(exchange);
    stream.attach(exchange);
  }

  #over(exchange: Http3Exchange, brokenOff: boolean): void {
    if (!this.#open.delete(exchange)) return;
    this.#patience = Math.min(MAX_BROKEN_OFF, this.#patience + (brokenOff ? -1 : 1));
    if (this.#patience < 0) this.#session.close(H3.excessiveLoad, 'too many requests are broken off');
  }

  #closed(): void {
    const open = [...this.#open];
    this.#open.clear();
    for (const exchange of open) exchange.connectionGone();
    this.#events.onClose();
  }
}

const UNHEARD = { onData() {}, onEnd() {}, onReset() {}, onStopSending() {}, onDrain() {} };
