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
import { watchDeparture } from '../peek/departure.ts';
import { peekFirstBytes, type FirstBytes } from '../peek/first-bytes.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { ViolationRecord } from '../record.ts';
import type { CertificateAuthority } from '../tls/authority.ts';
import { clientTlsError, terminateTls } from '../tls/terminator.ts';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import type { Dialler } from '../upstream/dialler.ts';
import { UpstreamLink, asMentuError } from '../upstream/link.ts';
import { denialAnswer, denialError, failureAnswer } from './answer.ts';
import { mirrored, spoken, type AlpnMemory } from './alpn-memory.ts';
import { CapturedConnection } from '../flows/captured-connection.ts';
import type { ClientExchange, ResponseHead } from '../exchange.ts';
import { Passthrough } from './passthrough.ts';
import { FlowRelay } from './relay.ts';
import { routeRequest, settleAuthority } from './route.ts';

/** Milliseconds that a client may be silent at first. */
const SILENCE = 60_000;

/** Ends that are nobody's failure. */
const LEFT: ReadonlySet<string> = new Set(['no_request', 'client_aborted', 'shutting_down']);

type Denial = Extract<Verdict, { action: 'deny' }>;

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
  #passthrough: Passthrough | null = null;
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
    const over = new MentuError('shutting_down');
    this.#passthrough?.end('aborted', over);
    this.#endConnection(over);
    this.#stream.destroy();
    this.#socket.destroy();
  }

  #peeked(first: FirstBytes): void {
    const connection = this.#connection;
    if (first.kind === 'none') return this.#endWithoutRequest(new MentuError('no_request'));
    connection.protocol = first.kind === 'tls' ? 'tls' : first.kind === 'raw' ? 'raw' : 'http';
    if (first.kind === 'tls') connection.clientHello = first.hello;
    this.#services.recorder.hooks.connect(connection, (verdict) => this.#decided(first, verdict));
  }

  #decided(first: FirstBytes, verdict: Verdict | undefined): void {
    if (this.#closed) return;
    const connection = this.#connection;
    // In the clear there is nothing to pass through: such requests are judged one by one.
    if (verdict && verdict.action !== 'allow' && (verdict.action !== 'passthrough' || first.kind === 'tls')) connection.verdict = verdict;
    if (first.kind === 'raw') {
      if (verdict?.action === 'deny') return this.#denyWithoutRequest(verdict);
      return this.#endWithoutRequest(new MentuError('protocol_unsupported'));
    }
    if (first.kind !== 'tls') return this.#servePlain(first.kind === 'http2');
    if (verdict?.action === 'passthrough') {
      this.#passthrough = new Passthrough(this.#services, this.#socket, connection, () => this.#end());
      return;
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
    const offered = spoken(hello.alpn);
    // We answer by ourselves: all that the client offered and we speak.
    if (connection.verdict) return this.#terminate(offered);
    const { alpnMemory } = this.#services;
    const link = this.#linkTo({ serverName: hello.sni, hello, alpn: offered }, false);
    connection.link = link;
    const { port } = connection.destination;
    const known = alpnMemory.recall(connection.host, port, hello.sni, offered);
    if (known !== undefined) return this.#terminate(mirrored(known, offered));
    const release = watchDeparture(this.#socket, () => this.#endWithoutRequest(new MentuError('client_aborted')));
    link.open().then(
      ({ alpn }) => {
        alpnMemory.learn(connection.host, port, hello.sni, offered, alpn);
        release();
        this.#terminate(mirrored(alpn, offered));
      },
      (error: unknown) => {
        connection.failure = asMentuError(error, connection.host);
        release();
        this.#terminate(offered);
      },
    );
  }

  #terminate(alpn: readonly string[]): void {
    if (this.#closed) return;
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
      if (this.#server?.isIdle) this.#server.close();
    });
  }

  #serve(stream: Duplex, http2: boolean): void {
    this.#stream = stream;
    const connection = this.#connection;
    const scheme = connection.clientHello ? 'https' : 'http';
    const onClose = (): void => this.#endConnection(new MentuError('no_request'));
    const relay = (exchange: ClientExchange): FlowRelay => new FlowRelay(this.#services.recorder, connection, exchange, false);
    if (http2) {
      const onExchange = (exchange: ClientExchange): void => {
        const problem = settleAuthority(exchange.head, connection);
        relay(exchange).begin(problem);
      };
      this.#server = new Http2Server(stream, scheme, { onExchange, onClose });
      return;
    }
    this.#server = new Http1Server(stream, {
      route: (line) => routeRequest(line, connection, scheme),
      onExchange: (exchange) => relay(exchange).begin(),
      onBadHead: (error, answer) => this.#refuse(error, answer),
      onClose,
    });
  }

  /** A head that cannot be read is a flow without a request; on a denied connection it is denied like any other. */
  #refuse(error: MentuError, answer: (head: ResponseHead, body: Buffer) => void): void {
    const connection = this.#connection;
    connection.flows++;
    const { verdict } = connection;
    const isDenied = verdict?.action === 'deny';
    const { head, body } = isDenied ? denialAnswer(this.#violation(verdict)) : failureAnswer(error);
    answer(head, body);
    this.#services.recorder.completeConnection(connection, {
      kind: 'http',
      outcome: isDenied ? 'denied' : 'failed',
      error: isDenied ? this.#denialError(verdict) : error,
      bytes: { up: 0, down: 0 },
    });
  }

  /** The connection is over; where it made no flow it is one itself. @param error why, where nothing else is known. */
  #endConnection(error: MentuError): void {
    const { flows, verdict, failure } = this.#connection;
    if (flows > 0) return this.#end();
    if (verdict?.action === 'deny') return this.#denyWithoutRequest(verdict);
    this.#endWithoutRequest(failure ?? error);
  }

  #denyWithoutRequest(verdict: Denial): void {
    if (this.#closed) return;
    this.#violation(verdict);
    this.#finish('denied', this.#denialError(verdict));
  }

  #violation(verdict: Denial): ViolationRecord {
    const { recorder } = this.#services;
    return recorder.violation(this.#connection, { code: verdict.code ?? 'denied', rule: verdict.rule, host: verdict.host ?? this.#connection.host, by: verdict.by });
  }

  #denialError(verdict: Denial): MentuError {
    const { host } = this.#connection;
    return denialError(verdict, verdict.host ?? host, host);
  }

  #endWithoutRequest(error: MentuError): void {
    this.#finish(LEFT.has(error.code) ? 'aborted' : 'failed', error);
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

function ignore(): void {
  // 'close' follows and is what counts.
}
