/**
 * One accepted client socket, from its first byte to its last:
 *
 *   peek → onConnect → (passthrough | TLS, once the upstream's ALPN is known) → HTTP/1 or HTTP/2 → a relay for each request
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { Destination } from '../flow.ts';
import type { Verdict } from '../decision.ts';
import { Http1Server } from '../http1/server.ts';
import { Http2Server } from '../http2/server.ts';
import { socketAddress } from '../names/host.ts';
import { peekFirstBytes, type FirstBytes } from '../peek/first-bytes.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { CertificateAuthority } from '../tls/authority.ts';
import { clientTlsError, terminateTls } from '../tls/terminator.ts';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import type { Dialler } from '../upstream/dialler.ts';
import { UpstreamLink, asMentuError } from '../upstream/link.ts';
import { denialError, failureAnswer } from './answer.ts';
import type { AlpnMemory } from './alpn-memory.ts';
import { CapturedConnection } from './captured-connection.ts';
import type { ClientExchange } from './exchange.ts';
import { relayUndecrypted } from './passthrough.ts';
import { FlowRelay } from './relay.ts';
import { routeRequest, settleAuthority } from './route.ts';

/** Milliseconds that a client may be silent at first. */
const SILENCE = 60_000;
/** What we speak, in the order in which we prefer it. */
const SPOKEN = ['h2', 'http/1.1', 'http/1.0'];

/** What every session of a capture uses. */
export interface SessionServices {
  readonly recorder: FlowRecorder;
  readonly authority: CertificateAuthority;
  readonly dialler: Dialler;
  readonly upstreamTls: UpstreamTls;
  readonly alpnMemory: AlpnMemory;
}

export class ClientSession {
  readonly #services: SessionServices;
  readonly #socket: Socket;
  readonly #connection: CapturedConnection;
  readonly #onClose: () => void;
  #server: Http1Server | Http2Server | null = null;
  #stream: Duplex;
  #mirrorsClose = true;
  #closed = false;

  constructor(services: SessionServices, socket: Socket, id: string, destination: Destination, onClose: () => void) {
    this.#services = services;
    this.#socket = socket;
    this.#stream = socket;
    this.#onClose = onClose;
    this.#connection = new CapturedConnection(id, { address: socketAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 }, destination);
    socket.on('error', ignore);
    socket.setNoDelay(true);
  }

  start(): void {
    peekFirstBytes(this.#socket, SILENCE, (first) => this.#peeked(first));
  }

  /** Breaks off what is left of the session. */
  destroy(): void {
    this.#stream.destroy();
    this.#socket.destroy();
    this.#end();
  }

  #peeked(first: FirstBytes): void {
    const connection = this.#connection;
    if (first.kind === 'none') return this.#endWithoutRequest(new MentuError('no_request'));
    connection.protocol = first.kind === 'tls' ? 'tls' : first.kind === 'raw' ? 'raw' : 'http';
    if (first.kind === 'tls') connection.clientHello = first.hello;
    this.#services.recorder.hooks.connect(connection, (verdict) => this.#decided(first, verdict));
  }

  #decided(first: FirstBytes, verdict: Verdict | undefined): void {
    const connection = this.#connection;
    if (verdict && verdict.action !== 'allow') connection.verdict = verdict;
    if (first.kind === 'raw') {
      if (verdict?.action === 'deny') return this.#denyWithoutRequest(verdict);
      return this.#endWithoutRequest(new MentuError('protocol_unsupported'));
    }
    if (first.kind !== 'tls') return this.#servePlain(first.kind === 'http2');
    if (verdict?.action === 'passthrough') {
      connection.verdict = verdict;
      return relayUndecrypted(this.#services, this.#socket, connection, () => this.#end());
    }
    this.#serveTls();
  }

  #servePlain(http2: boolean): void {
    this.#connection.link = this.#linkTo(null, http2);
    this.#serve(this.#socket, http2);
  }

  /** The upstream's handshake comes first, so that the client is offered what the upstream speaks. */
  #serveTls(): void {
    const connection = this.#connection;
    const hello = connection.clientHello!;
    const offered = SPOKEN.filter((protocol) => hello.alpn.includes(protocol));
    // We answer by ourselves: all that the client offered and we speak.
    if (connection.verdict) return this.#terminate(offered);
    const { alpnMemory } = this.#services;
    const link = this.#linkTo({ serverName: hello.sni, hello, alpn: offered.length > 0 ? hello.alpn.filter((protocol) => SPOKEN.includes(protocol)) : [] }, false);
    connection.link = link;
    const { port } = connection.destination;
    const known = alpnMemory.recall(connection.host, port, offered);
    if (known !== undefined) return this.#terminate(mirrored(known, offered));
    const gone = (): void => link.close();
    this.#socket.once('close', gone);
    link.open().then(
      ({ alpn }) => {
        this.#socket.off('close', gone);
        alpnMemory.learn(connection.host, port, offered, alpn);
        this.#terminate(mirrored(alpn, offered));
      },
      (error: unknown) => {
        this.#socket.off('close', gone);
        connection.failure = asMentuError(error, connection.host);
        this.#terminate(offered);
      },
    );
  }

  #terminate(alpn: readonly string[]): void {
    const connection = this.#connection;
    const host = connection.clientHello!.sni ?? connection.host;
    const context = this.#services.authority.contextFor(host);
    terminateTls(this.#socket, { context, alpn, host }, (error, tls) => {
      if (error) return this.#endWithoutRequest(error);
      connection.secured(tls);
      tls.once('error', (late: Error) => {
        if (connection.flows === 0) connection.failure = clientTlsError(late, host);
      });
      this.#serve(tls, tls.alpnProtocol === 'h2');
    });
  }

  #linkTo(tls: ConstructorParameters<typeof UpstreamLink>[0]['tls'], http2: boolean): UpstreamLink {
    const { host, destination } = this.#connection;
    const target = { host, address: destination.name === null ? destination.address : null, port: destination.port, tls, http2 };
    return new UpstreamLink(target, this.#services.dialler, this.#services.upstreamTls, () => {
      // A server that ends a kept connection ends it for the client, as it would without us.
      if (this.#mirrorsClose && this.#server?.isIdle) this.#server.close();
    });
  }

  #serve(stream: Duplex, http2: boolean): void {
    this.#stream = stream;
    const connection = this.#connection;
    const scheme = connection.clientHello ? 'https' : 'http';
    const onClose = (): void => this.#served();
    const relay = (exchange: ClientExchange): FlowRelay => new FlowRelay(this.#services.recorder, connection, exchange, false);
    if (http2) {
      this.#server = new Http2Server(stream, scheme, { onExchange: (exchange) => relay(exchange).begin(settleAuthority(exchange.head, connection)), onClose });
      return;
    }
    this.#server = new Http1Server(stream, {
      route: (line) => routeRequest(line, connection, scheme),
      onExchange: (exchange) => relay(exchange).begin(),
      onBadHead: (error, answer) => {
        connection.flows++;
        const { head, body } = failureAnswer(error);
        answer(head, body);
        this.#services.recorder.completeConnection(connection, { kind: 'http', outcome: 'failed', error, bytes: { up: 0, down: 0 } });
      },
      onClose,
    });
  }

  #served(): void {
    const connection = this.#connection;
    if (connection.flows === 0) {
      if (connection.verdict?.action === 'deny') return this.#denyWithoutRequest(connection.verdict);
      return this.#endWithoutRequest(connection.failure ?? new MentuError('no_request'));
    }
    this.#end();
  }

  #denyWithoutRequest(verdict: Extract<Verdict, { action: 'deny' }>): void {
    const { recorder } = this.#services;
    const host = verdict.host ?? this.#connection.host;
    recorder.violation(this.#connection, { code: verdict.code ?? 'denied', rule: verdict.rule, host, by: verdict.by });
    this.#finish('denied', denialError(verdict, host, this.#connection.host));
  }

  #endWithoutRequest(error: MentuError): void {
    this.#finish(error.code === 'no_request' || error.code === 'client_aborted' ? 'aborted' : 'failed', error);
  }

  #finish(outcome: 'denied' | 'aborted' | 'failed', error: MentuError): void {
    if (this.#closed) return;
    const kind = this.#connection.clientHello ? 'tls' : 'tcp';
    this.#services.recorder.completeConnection(this.#connection, { kind, outcome, error, bytes: { up: 0, down: 0 } });
    this.#socket.destroy();
    this.#end();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.link?.close();
    this.#onClose();
  }
}

function mirrored(alpn: string | null, offered: readonly string[]): readonly string[] {
  return alpn !== null && offered.includes(alpn) ? [alpn] : offered.filter((protocol) => protocol !== 'h2');
}

function ignore(): void {
  // 'close' follows and is what counts.
}
