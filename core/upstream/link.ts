/**
 * The way to one upstream for one client connection: dials when it is first wanted, finds out which
 * HTTP version the upstream speaks, and hands out exchanges. Client connections do not share links,
 * so that what servers tie to a connection (logins, limits, GOAWAY) stays with the client that caused it.
 */
import { MentuError } from '../errors.ts';
import type { ClientHello } from '../flow.ts';
import { Http1Client } from '../http1/client.ts';
import { Http2Client } from '../http2/client.ts';
import { canonicalHost } from '../names/host.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import type { UpstreamRecord } from '../record.ts';
import type { UpstreamTls, UpstreamTlsTarget } from '../tls/upstream-tls.ts';
import { CertificateDemand, type UnprovenConnection } from './certificate-demand.ts';
import type { Dialled, UpstreamDialler } from './dialler.ts';

/** HTTP/1 connections that one link opens side by side; only a client of HTTP/2 can want more than one. */
const MAX_CONNECTIONS = 16;

export interface LinkTarget {
  /** Canonical name or address: what is resolved and vetted. */
  readonly host: string;
  /** The address to dial instead of the name's own; null resolves `host`. */
  readonly address: string | null;
  readonly port: number;
  readonly tls: { readonly serverName: string | null; readonly hello: ClientHello | null; readonly alpn: readonly string[] } | null;
  /** Plain HTTP/2 with prior knowledge (RFC 9113, section 3.3). */
  readonly http2: boolean;
}

/** What is known of a connection once it stands; times in milliseconds. */
export interface LinkFacts {
  readonly tls: UpstreamRecord['tls'];
  readonly alpn: string | null;
  readonly httpVersion: '1.1' | '2';
  readonly address: string;
  readonly port: number;
  readonly timing: { readonly dns: number | null; readonly connect: number; readonly tls: number | null };
}

interface Standing {
  readonly facts: LinkFacts;
  readonly client: Http1Client | Http2Client;
  /** Until the server has answered, where it may still refuse us for our certificate. */
  readonly unproven: UnprovenConnection | null;
}

/** Told of the connection that an exchange will use, before it is used. */
export type OnConnection = (facts: LinkFacts, reused: boolean) => RequestHead;

interface Waiting {
  readonly onConnection: OnConnection;
  readonly events: UpstreamEvents;
  readonly ready: (exchange: UpstreamExchange) => void;
}

export class UpstreamLink {
  readonly target: LinkTarget;
  readonly #dialler: UpstreamDialler;
  readonly #tls: UpstreamTls;
  #onIdleClose: (failure: MentuError | null) => void = () => {};
  #onUpgrades: (served: boolean) => void = () => {};
  readonly #connections = new Set<Standing>();
  readonly #waiting: Waiting[] = [];
  readonly #abort = new AbortController();
  #dialling = 0;
  #closed = false;

  constructor(target: LinkTarget, dialler: UpstreamDialler, tls: UpstreamTls) {
    this.target = target;
    this.#dialler = dialler;
    this.#tls = tls;
  }

  /** @param onIdleClose the upstream closed the last connection while nothing was under way; `failure`, where it is known why. */
  watchIdleClose(onIdleClose: (failure: MentuError | null) => void): void {
    this.#onIdleClose = onIdleClose;
  }

  /** @param onUpgrades told of each new connection whether extended CONNECT can be served by it, as soon as that is known. */
  watchUpgrades(onUpgrades: (served: boolean) => void): void {
    this.#onUpgrades = onUpgrades;
    for (const { client } of this.#connections) this.#tellUpgrades(client);
  }

  #tellUpgrades(client: Http1Client | Http2Client): void {
    // To HTTP/1.1 it is translated.
    if (client instanceof Http1Client) this.#onUpgrades(true);
    else client.whenSettled((served) => !client.isClosed && this.#onUpgrades(served));
  }

  /** Opens the first connection ahead of any request, to learn what the upstream speaks. Rejects with a `MentuError`. */
  async open(): Promise<LinkFacts> {
    return (await this.#connect()).facts;
  }

  /** Starts an exchange as soon as a connection is free. Failures go to `events.onUpstreamError`, untouched. */
  dispatch(onConnection: OnConnection, events: UpstreamEvents, ready: (exchange: UpstreamExchange) => void): void {
    for (const standing of this.#connections) {
      if (!standing.client.isFree) continue;
      this.#send(standing, onConnection, events, ready);
      return;
    }
    this.#waiting.push({ onConnection, events, ready });
    this.#dialForWaiting();
  }

  /** Gives up a request that still waits for a connection. True where it did. */
  cancel(events: UpstreamEvents): boolean {
    const at = this.#waiting.findIndex((waiting) => waiting.events === events);
    if (at !== -1) this.#waiting.splice(at, 1);
    return at !== -1;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#abort.abort(new MentuError('shutting_down'));
    for (const { client } of this.#connections) client.destroy();
    this.#connections.clear();
  }

  #send(standing: Standing, onConnection: OnConnection, events: UpstreamEvents, ready: (exchange: UpstreamExchange) => void): void {
    const { client, facts, unproven } = standing;
    const head = onConnection(facts, client.used > 0);
    let exchange: UpstreamExchange;
    try {
      exchange = client.send(head, unproven === null || unproven.isProven ? events : unproven.watched(events));
    } catch (cause) {
      // What the codec cannot write, such as a session that ended in this turn.
      const reason = cause instanceof Error ? cause.message : String(cause);
      return events.onUpstreamError(new MentuError('upstream_aborted', { reason, host: this.target.host }, { cause }), true);
    }
    ready(exchange);
  }

  #dialForWaiting(): void {
    if (this.#waiting.length === 0 || this.#dialling >= this.#waiting.length || this.#connections.size + this.#dialling >= MAX_CONNECTIONS) return;
    // One connection of HTTP/2 serves all, as many at a time as the upstream takes; a second is dialled only where the first is HTTP/1, or closing.
    if (this.#dialling > 0) return;
    for (const { client, facts } of this.#connections) if (facts.httpVersion === '2' && !client.isClosed) return;
    this.#connect().then(
      () => {
        this.#serveWaiting();
        this.#dialForWaiting();
      },
      (error: unknown) => {
        for (const { events } of this.#waiting.splice(0)) events.onUpstreamError(asMentuError(error, this.target.host), true);
      },
    );
  }

  #serveWaiting(): void {
    for (const standing of this.#connections) {
      while (this.#waiting.length > 0 && standing.client.isFree) {
        const { onConnection, events, ready } = this.#waiting.shift()!;
        this.#send(standing, onConnection, events, ready);
      }
    }
  }

  async #connect(): Promise<Standing> {
    this.#dialling++;
    try {
      const standing = await this.#secure(await this.#dial());
      if (this.#closed) {
        standing.client.destroy();
        throw new MentuError('shutting_down');
      }
      this.#connections.add(standing);
      this.#tellUpgrades(standing.client);
      return standing;
    } finally {
      this.#dialling--;
    }
  }

  #dial(): Promise<Dialled> {
    const { host, address, port } = this.target;
    return this.#dialler.dial({ host, address, port, signal: this.#abort.signal });
  }

  #tlsTarget(): UpstreamTlsTarget | null {
    const { tls, host, port } = this.target;
    return tls && { dialled: host, host: identity(tls.serverName, host), serverName: tls.serverName, port, hello: tls.hello, alpn: tls.alpn, signal: this.#abort.signal };
  }

  async #secure(dialled: Dialled): Promise<Standing> {
    const { host } = this.target;
    const tlsTarget = this.#tlsTarget();
    const demand = tlsTarget && new CertificateDemand(host, async () => this.#tls.inquire((await this.#dial()).socket, tlsTarget));
    const start = performance.now();
    const secured = tlsTarget && (await this.#tls.handshake(dialled.socket, tlsTarget).catch(async (error: unknown) => Promise.reject(await demand!.explain(error))));
    const alpn = secured?.record.alpn ?? null;
    const isHttp2 = alpn === 'h2' || this.target.http2;
    const facts: LinkFacts = {
      tls: secured?.record ?? null,
      alpn,
      httpVersion: isHttp2 ? '2' : '1.1',
      address: dialled.address,
      port: dialled.port,
      timing: { ...dialled.timing, tls: secured ? performance.now() - start : null },
    };
    const connection = secured?.tls ?? dialled.socket;
    const gone = (): void => {
      this.#connections.delete(standing);
      if (this.#closed) return;
      // There is room for another, which may be what requests wait for.
      if (this.#waiting.length > 0) this.#dialForWaiting();
      else if (this.#connections.size === 0 && this.#dialling === 0) this.#idleClosed(standing);
    };
    const unproven = (secured && demand?.watch(secured)) ?? null;
    const client = isHttp2 ? new Http2Client(connection, secured ? 'https' : 'http', host, gone, () => this.freed()) : new Http1Client(connection, host, gone);
    const standing: Standing = { facts, client, unproven };
    return standing;
  }

  #idleClosed({ unproven, client }: Standing): void {
    if (unproven === null || unproven.isProven || client.used > 0) return this.#onIdleClose(null);
    // A server that hangs up on a greeting has perhaps refused our certificate. Without a reason it is for the first request to find one.
    void unproven.verdict().then((failure) => {
      if (failure && !this.#closed) this.#onIdleClose(failure);
    });
  }

  /** Called when a connection may have room again. */
  freed(): void {
    if (this.#waiting.length === 0 || this.#closed) return;
    this.#serveWaiting();
    this.#dialForWaiting();
  }
}

/** The name that the certificate must be valid for: what the client asks for, where that is a name at all. */
function identity(serverName: string | null, host: string): string {
  return (serverName && canonicalHost(serverName)) ?? host;
}

export function asMentuError(error: unknown, host: string): MentuError {
  return error instanceof MentuError ? error : new MentuError('connect_failed', { host, address: '', reason: error instanceof Error ? error.message : String(error) }, { cause: error });
}
