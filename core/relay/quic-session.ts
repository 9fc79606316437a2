/**
 * One client's QUIC connection: onConnect → handshake → HTTP/3, a relay for each request.
 *
 * The client has chosen HTTP/3 before it said a word, so its handshake waits for nobody: the upstream is dialled with the first
 * request, over HTTP/3 where it speaks it.
 */
import { MentuError } from '../errors.ts';
import type { ClientExchange } from '../exchange.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';
import type { Verdict } from '../decision.ts';
import { Http3Server } from '../http3/server.ts';
import { hostPatternText } from '../names/pattern.ts';
import { CONNECTION_REFUSED, NO_APPLICATION_PROTOCOL, type HandshakeFacts, type Identity, type QuicArrival } from '../quic/arrival.ts';
import type { QuicConnection, QuicEnd } from '../quic/connection.ts';
import { uncertified } from '../tls/terminator.ts';
import { UpstreamLink } from '../upstream/link.ts';
import type { Http3Way } from '../upstream/opening.ts';
import { denialError } from './answer.ts';
import { FlowRelay } from './relay.ts';
import { settleAuthority } from './route.ts';
import type { SessionServices } from './services.ts';

const HTTP3 = 'h3';
/** What is asked of an upstream that does not answer over HTTP/3. */
const OVER_TCP: readonly string[] = ['h2', 'http/1.1'];
/** TLS alerts as codes of the transport (RFC 9001, section 4.8), and those that speak of a certificate (RFC 8446, section 6.2). */
const ALERTS = { first: 0x100, last: 0x1ff } as const;
const REJECTIONS: ReadonlySet<number> = new Set([42, 43, 44, 45, 46, 48, 49]);

type Denial = Extract<Verdict, { action: 'deny' }>;

export class QuicSession {
  readonly #services: SessionServices;
  readonly #http3: Http3Way;
  readonly #arrival: QuicArrival;
  readonly #connection: CapturedConnection;
  readonly #onClose: () => void;
  #server: Http3Server | null = null;
  #accepted = false;
  #closed = false;

  constructor(services: SessionServices, http3: Http3Way, arrival: QuicArrival, connection: CapturedConnection, onClose: () => void) {
    this.#services = services;
    this.#http3 = http3;
    this.#arrival = arrival;
    this.#connection = connection;
    this.#onClose = onClose;
    connection.protocol = 'tls';
    connection.clientHello = arrival.hello;
    connection.servesHttp3 = true;
    connection.pinned = services.pinnedNames.has(connection);
  }

  begin(): void {
    this.#services.recorder.hooks.connect(this.#connection, (verdict) => {
      if (!this.#closed) this.#decided(verdict);
    });
  }

  /** Breaks off what is left of the session. */
  destroy(): void {
    this.#server?.destroy();
    this.#over(new MentuError('shutting_down'));
  }

  #decided(verdict: Verdict | undefined): void {
    const connection = this.#connection;
    const { hello } = this.#arrival;
    if (verdict && verdict.action !== 'allow') connection.verdict = verdict;
    const isHttp3 = hello.alpn.includes(HTTP3);
    if (!isHttp3 && verdict?.action === 'deny') return this.#turnAway(CONNECTION_REFUSED, () => this.#deny(verdict));
    if (!isHttp3) return this.#turnAway(NO_APPLICATION_PROTOCOL, () => this.#fail(new MentuError('protocol_unsupported')));
    // Over TCP the same client is passed through, or asked for its certificate; it goes there at once.
    const { port } = connection.destination;
    const isForTcp = verdict?.action === 'passthrough' || this.#services.clientAuth.for(connection.host, port, hello.sni) !== null;
    if (isForTcp) return this.#turnAway(CONNECTION_REFUSED, () => this.#fail(new MentuError('protocol_unsupported')));
    if (!connection.verdict) connection.link = this.#link();
    this.#accept();
  }

  #turnAway(code: number, record: () => void): void {
    this.#arrival.refuse(code, 'use TCP');
    record();
  }

  #accept(): void {
    const { hello } = this.#arrival;
    let identity: Identity;
    try {
      identity = this.#services.authority.identityFor(hello.sni ?? this.#connection.host);
    } catch (cause) {
      return this.#fail(uncertified(cause));
    }
    this.#accepted = true;
    this.#arrival.accept(identity, {
      onEstablished: (quic, facts) => this.#serve(quic, facts),
      onFailed: (end) => this.#over(this.#handshakeError(end)),
    });
  }

  #link(): UpstreamLink {
    const { host, destination, clientHello } = this.#connection;
    const { dialler, upstreamTls } = this.#services;
    const tls = { serverName: clientHello!.sni, hello: null, alpn: OVER_TCP };
    const address = destination.name === null ? destination.address : null;
    return new UpstreamLink({ host, address, port: destination.port, tls, http2: false, http3: this.#http3 }, dialler, upstreamTls);
  }

  #serve(quic: QuicConnection, { cipher }: HandshakeFacts): void {
    const connection = this.#connection;
    if (this.#closed) return quic.close(0x100, '');
    connection.agreed({ version: 'TLSv1.3', cipher, alpn: quic.alpn });
    const server = new Http3Server(quic, 'https', {
      onExchange: (exchange) => this.#relay(exchange),
      onClose: () => this.#over(new MentuError('no_request')),
    });
    this.#server = server;
    // A server that ends a kept connection ends it for the client, as it would without us.
    connection.link?.watchIdleClose((failure) => {
      if (failure) connection.failure = failure;
      else if (server.isIdle) server.close();
    });
  }

  #relay(exchange: ClientExchange): void {
    const problem = settleAuthority(exchange.head, this.#connection);
    new FlowRelay(this.#services.recorder, this.#connection, exchange, false).begin(problem);
  }

  #handshakeError({ code, isApplication, reason, by }: QuicEnd): MentuError {
    const { host, destination, clientHello } = this.#connection;
    const alert = !isApplication && code >= ALERTS.first && code <= ALERTS.last ? code - ALERTS.first : null;
    const name = clientHello!.sni ?? host;
    const why = reason || (alert === null ? `the connection was closed with code ${code}` : `TLS alert ${alert}`);
    if (alert !== null && REJECTIONS.has(alert)) {
      this.#services.pinnedNames.learn(this.#connection);
      return new MentuError('client_rejected_certificate', { host: name, pattern: hostPatternText(name, destination.port), reason: why });
    }
    return by === 'timeout' ? new MentuError('client_aborted') : new MentuError('client_tls_failed', { reason: why });
  }

  /** No further request comes. A connection that made no flow is one itself. */
  #over(error: MentuError): void {
    const { flows, verdict, failure } = this.#connection;
    if (flows > 0) return this.#close();
    if (verdict?.action === 'deny') return this.#deny(verdict);
    this.#fail(failure ?? error);
  }

  #deny(verdict: Denial): void {
    if (this.#closed) return;
    const host = verdict.host ?? this.#connection.host;
    this.#services.recorder.violation(this.#connection, { code: verdict.code ?? 'denied', rule: verdict.rule, host, by: verdict.by });
    this.#finish('denied', denialError(verdict, host, this.#connection.host));
  }

  #fail(error: MentuError): void {
    const isLeft = error.code === 'no_request' || error.code === 'client_aborted' || error.code === 'shutting_down';
    this.#finish(isLeft ? 'aborted' : 'failed', error);
  }

  #finish(outcome: 'denied' | 'aborted' | 'failed', error: MentuError): void {
    if (this.#closed) return;
    this.#services.recorder.completeConnection(this.#connection, { kind: 'tls', outcome, error, bytes: { up: 0, down: 0 } });
    if (!this.#accepted) this.#arrival.refuse(CONNECTION_REFUSED, '');
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.link?.close();
    this.#onClose();
  }
}
