/** A client's connection to an explicit proxy that carries absolute-form requests, each to an origin of its own. */
import type { Socket } from 'node:net';
import { MentuError } from '../errors.ts';
import { Http1Server } from '../http1/server.ts';
import type { RequestLine } from '../http1/head.ts';
import { splitAuthority } from '../names/authority.ts';
import { destinationOf } from '../names/destination.ts';
import { socketAddress } from '../names/host.ts';
import { UpstreamLink } from '../upstream/link.ts';
import { failureAnswer } from './answer.ts';
import { CapturedConnection } from '../flows/captured-connection.ts';
import type { ClientExchange, RequestHead } from '../exchange.ts';
import { FlowRelay } from './relay.ts';
import { absoluteTarget, hostField, sameAuthority, type Route } from './route.ts';
import type { SessionServices } from './services.ts';

/** Origins whose connections one client keeps; the one used longest ago gives way. */
const MAX_ORIGINS = 32;

export class ForwardSession {
  readonly #services: SessionServices;
  readonly #socket: Socket;
  readonly #id: string;
  readonly #onClose: () => void;
  readonly #origins = new Map<string, CapturedConnection>();
  readonly #server: Http1Server;
  #closed = false;

  constructor(services: SessionServices, socket: Socket, id: string, onClose: () => void) {
    this.#services = services;
    this.#socket = socket;
    this.#id = id;
    this.#onClose = onClose;
    this.#server = new Http1Server(socket, {
      route: (line) => forwardRoute(line),
      onExchange: (exchange) => this.#onExchange(exchange),
      onBadHead: (error, answer) => {
        const { head, body } = failureAnswer(error);
        answer(head, body);
        this.#services.recorder.completeConnection(this.#connectionTo({ name: null, address: null, port: 0 }), { kind: 'http', outcome: 'failed', error, bytes: { up: 0, down: 0 } });
      },
      onClose: () => this.#end(),
    });
  }

  /** Breaks off what is left of the session. */
  destroy(): void {
    this.#socket.destroy();
    this.#server.destroy();
    this.#end();
  }

  #onExchange(exchange: ClientExchange): void {
    const { recorder } = this.#services;
    const { head } = exchange;
    const origin = `${head.scheme}://${head.authority.toLowerCase()}`;
    const known = this.#origins.get(origin);
    if (known) {
      this.#origins.delete(origin);
      this.#origins.set(origin, known);
      return new FlowRelay(recorder, known, exchange, true).begin();
    }
    const connection = this.#open(head);
    // The flow begins before the decision, so that it has its record whatever happens meanwhile.
    const relay = new FlowRelay(recorder, connection, exchange, true);
    recorder.hooks.connect(connection, (verdict) => {
      if (this.#closed) return void connection.link?.close();
      // There is nothing to pass through here: the request is already in the clear.
      if (verdict && verdict.action !== 'allow' && verdict.action !== 'passthrough') connection.verdict = verdict;
      relay.flow.allowance = connection.allowance;
      this.#keep(origin, connection);
      relay.begin();
    });
  }

  #open(head: RequestHead): CapturedConnection {
    const authority = splitAuthority(head.authority)!;
    const port = authority.port ?? (head.scheme === 'https' ? 443 : 80);
    const connection = this.#connectionTo(destinationOf(authority.host, port));
    connection.protocol = 'http';
    const tls = head.scheme === 'https' ? { serverName: connection.destination.name, hello: null, alpn: [] } : null;
    const target = { host: authority.host, address: null, port, tls, http2: false };
    connection.link = new UpstreamLink(target, this.#services.dialler, this.#services.upstreamTls);
    return connection;
  }

  #connectionTo(destination: CapturedConnection['destination']): CapturedConnection {
    return new CapturedConnection(this.#id, { address: socketAddress(this.#socket.remoteAddress ?? ''), port: this.#socket.remotePort ?? 0 }, destination);
  }

  #keep(origin: string, connection: CapturedConnection): void {
    if (this.#origins.size >= MAX_ORIGINS) {
      const [oldest, { link }] = this.#origins.entries().next().value!;
      this.#origins.delete(oldest);
      link?.close();
    }
    this.#origins.set(origin, connection);
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { link } of this.#origins.values()) link?.close();
    this.#origins.clear();
    this.#onClose();
  }
}

function forwardRoute(line: RequestLine): Route {
  const route = absoluteTarget(line.target);
  if (!route) throw new MentuError('bad_request', { reason: 'this is a proxy, and the request target is no URL' });
  const host = hostField(line);
  if (host !== null && !sameAuthority(host, route.authority, route.scheme)) throw new MentuError('bad_request', { reason: 'Host is unlike the request target' });
  return route;
}
