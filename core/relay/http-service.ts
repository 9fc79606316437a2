/** A connection that speaks HTTP, in the clear or decrypted: a codec, and a relay for each request. */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { ClientExchange, ResponseHead } from '../exchange.ts';
import { Http1Server } from '../http1/server.ts';
import { Http2Server } from '../http2/server.ts';
import type { Outcome } from '../record.ts';
import { UpstreamLink } from '../upstream/link.ts';
import type { LinkTarget } from '../upstream/opening.ts';
import { spoken } from './alpn-memory.ts';
import { denialAnswer, failureAnswer } from './answer.ts';
import { prepareTunnel } from './proxy-tunnel.ts';
import { FlowRelay } from './relay.ts';
import { routeRequest, settleAuthority } from './route.ts';
import type { Session, Stage } from './stage.ts';

export class HttpService implements Stage {
  readonly #session: Session;
  readonly #stream: Duplex;
  readonly #http2: boolean;

  /** The connection's link leads upstream. */
  constructor(session: Session, stream: Duplex, http2: boolean) {
    this.#session = session;
    this.#stream = stream;
    this.#http2 = http2;
  }

  begin(): void {
    const { connection } = this.#session;
    const { link } = connection;
    const server = this.#http2 ? this.#http2Server(link) : this.#http1Server();
    // A server that ends a kept connection ends it for the client, as it would without us; one that refuses us says why to who asks.
    link?.watchIdleClose((failure) => {
      if (failure) connection.failure = failure;
      else if (server.isIdle) server.close();
    });
    connection.link?.engage();
  }

  #http1Server(): Http1Server {
    const { connection } = this.#session;
    const scheme = connection.clientHello ? 'https' : 'http';
    return new Http1Server(this.#stream, {
      route: (line) => routeRequest(line, connection, scheme),
      onExchange: (exchange) => {
        const relay = this.#relay(exchange);
        relay.begin(exchange.head.method === 'CONNECT' ? prepareTunnel(this.#session, relay.flow, exchange.head) : null);
      },
      onBadHead: (error, answer) => this.#refuse(error, answer),
      onClose: this.#onClose,
    });
  }

  #http2Server(link: UpstreamLink | null): Http2Server {
    const { connection } = this.#session;
    const onExchange = (exchange: ClientExchange): void => {
      const problem = settleAuthority(exchange.head, connection);
      this.#relay(exchange).begin(problem);
    };
    // Extended CONNECT is offered where the upstream serves it: that is remembered, known by now, or told by its first SETTINGS. Who is denied is told so on
    // the handshake itself.
    const { alpnMemory } = this.#session.services;
    const { host, destination, clientHello } = connection;
    const place = [host, destination.port, clientHello?.sni ?? null, spoken(clientHello?.alpn ?? [])] as const;
    let server: Http2Server | null = null;
    let served = link === null ? connection.verdict?.action === 'deny' : alpnMemory.recallUpgrades(...place);
    link?.watchUpgrades((now) => {
      served = now;
      alpnMemory.learnUpgrades(...place, now);
      if (now) server?.offerUpgrades();
    });
    server = new Http2Server(this.#stream, connection.clientHello ? 'https' : 'http', { onExchange, onClose: this.#onClose }, served);
    return server;
  }

  #relay(exchange: ClientExchange): FlowRelay {
    const { connection, services } = this.#session;
    return new FlowRelay(services.recorder, connection, exchange, false);
  }

  readonly #onClose = (): void => this.#session.over(new MentuError('no_request'));

  end(_outcome: Outcome, error: MentuError): void {
    this.#session.over(error);
    this.#stream.destroy();
  }

  /** A head that cannot be read is a flow without a request; on a denied connection it is denied like any other. */
  #refuse(reason: MentuError, answer: (head: ResponseHead, body: Buffer) => void): void {
    const { connection, services } = this.#session;
    connection.flows++;
    const denial = connection.verdict?.action === 'deny' ? this.#session.violation(connection.verdict) : null;
    const { head, body } = denial ? denialAnswer(denial.violation) : failureAnswer(reason);
    answer(head, body);
    services.recorder.completeConnection(connection, {
      kind: 'http',
      outcome: denial ? 'denied' : 'failed',
      error: denial?.error ?? reason,
      bytes: { up: 0, down: 0 },
    });
  }
}

/** The way upstream of one client connection. */
export function linkFor({ connection, dialler, services }: Session, tls: LinkTarget['tls'], http2: boolean): UpstreamLink {
  const { host, destination } = connection;
  const target = { host, address: destination.name === null ? destination.address : null, port: destination.port, tls, http2 };
  return new UpstreamLink(target, dialler, services.upstreamTls);
}
