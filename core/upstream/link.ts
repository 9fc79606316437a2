/**
 * The way to one upstream for one client connection: dials when it is first wanted, finds out which
 * HTTP version the upstream speaks, and hands out exchanges. Client connections do not share links,
 * so that what servers tie to a connection (logins, limits, GOAWAY) stays with the client that caused it.
 */
import { MentuError } from '../errors.ts';
import { Http1Client } from '../http1/client.ts';
import { Http2Client } from '../http2/client.ts';
import { Http3Client } from '../http3/client.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import type { QuicEnd } from '../quic/connection.ts';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import type { Dialled, UpstreamDialler } from './dialler.ts';
import { openConnection, type LinkFacts, type Http3Way, type LinkTarget, type Opened } from './opening.ts';
import { ReadyConnection } from './ready-connection.ts';

/** HTTP/1 connections that one link opens side by side; only a client of HTTP/2 can want more than one. */
const MAX_CONNECTIONS = 16;

interface Standing extends Pick<Opened, 'facts' | 'unproven'> {
  readonly client: Http1Client | Http2Client | Http3Client;
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
  #http1: UpstreamLink | null = null;
  /** What `open` has opened and nobody has wanted so far. */
  readonly ready = new ReadyConnection(() => this.#open());
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

  #tellUpgrades(client: Standing['client']): void {
    // To HTTP/1.1 it is translated.
    if (client instanceof Http1Client) this.#onUpgrades(true);
    else client.whenSettled((served) => !client.isClosed && this.#onUpgrades(served));
  }

  /** Opens the first connection ahead of any request, to learn what the upstream speaks. Rejects with a `MentuError`. */
  open(): Promise<LinkFacts> {
    return this.ready.open();
  }

  /** From here on the connection that `open` has opened speaks HTTP. */
  engage(): void {
    const ready = this.ready.found();
    if (!ready) return;
    ready.dialled.socket.allowHalfOpen = false;
    this.#stand(ready);
  }

  /** A connection for another protocol than HTTP, secured where the target says so, and the caller's to close. Rejects with a `MentuError`. */
  take(): Promise<Dialled> {
    return this.ready.take();
  }

  /** As `take`, but it stays ready for what comes next. */
  lend(): Promise<Dialled> {
    return this.ready.lend().finally(() => this.freed());
  }

  /** Starts an exchange as soon as a connection is free. Failures go to `events.onUpstreamError`, untouched. */
  dispatch(onConnection: OnConnection, events: UpstreamEvents, ready: (exchange: UpstreamExchange) => void): void {
    this.engage();
    for (const standing of this.#connections) {
      if (!standing.client.isFree) continue;
      this.#send(standing, onConnection, events, ready);
      return;
    }
    this.#waiting.push({ onConnection, events, ready });
    this.#dialForWaiting();
  }

  /** The way by HTTP/1.1 alone, for what the upstream does not serve by what it speaks else. */
  overHttp1(): UpstreamLink {
    const { tls } = this.target;
    this.#http1 ??= new UpstreamLink({ ...this.target, tls: tls && { ...tls, alpn: ['http/1.1'] }, http2: false, http3: null }, this.#dialler, this.#tls);
    if (this.#closed) this.#http1.close();
    return this.#http1;
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
    this.#http1?.close();
    this.ready.found()?.dialled.socket.destroy();
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
    if (this.#waiting.length > 0) this.#forgetDetached();
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

  /** What has become another protocol's is none of ours any more. */
  #forgetDetached(): void {
    for (const standing of this.#connections) if (standing.client instanceof Http1Client && standing.client.isDetached) this.#connections.delete(standing);
  }

  #serveWaiting(): void {
    for (const standing of this.#connections) {
      while (this.#waiting.length > 0 && standing.client.isFree) {
        const { onConnection, events, ready } = this.#waiting.shift()!;
        this.#send(standing, onConnection, events, ready);
      }
    }
  }

  async #connect(): Promise<void> {
    if (this.target.http3 && (await this.#connectHttp3(this.target.http3))) return;
    this.#stand(await this.#open());
  }

  async #connectHttp3(way: Http3Way): Promise<boolean> {
    this.#dialling++;
    try {
      const connected = await way.connect(this.target, this.#abort.signal);
      if (!connected) return false;
      const { connection, facts } = connected;
      if (this.#closed) connection.close(0x100, '');
      this.#abort.signal.throwIfAborted();
      const over = (end: QuicEnd, gone: () => void): void => {
        if (end.by === 'failed') way.avoid(this.target);
        gone();
      };
      this.#add((gone) => ({ facts, client: new Http3Client(connection, this.target.host, (end) => over(end, gone)), unproven: null }));
      return true;
    } finally {
      this.#dialling--;
    }
  }

  async #open(): Promise<Opened> {
    this.#dialling++;
    try {
      const opened = await openConnection(this.target, this.#dialler, this.#tls, this.#abort.signal);
      if (!this.#closed) return opened;
      opened.dialled.socket.destroy();
      throw new MentuError('shutting_down');
    } finally {
      this.#dialling--;
    }
  }

  #stand({ dialled, facts, unproven }: Opened): void {
    const { host } = this.target;
    const http2 = (gone: () => void): Http2Client => new Http2Client(dialled.socket, facts.tls ? 'https' : 'http', host, gone, () => this.freed());
    this.#add((gone) => ({ facts, client: facts.httpVersion === '2' ? http2(gone) : new Http1Client(dialled.socket, host, gone), unproven }));
  }

  #add(make: (gone: () => void) => Standing): void {
    const standing = make(() => {
      this.#connections.delete(standing);
      if (this.#closed) return;
      // There is room for another, which may be what requests wait for.
      if (this.#waiting.length > 0) this.#dialForWaiting();
      else if (this.#connections.size === 0 && this.#dialling === 0) this.#idleClosed(standing);
    });
    this.#connections.add(standing);
    this.#tellUpgrades(standing.client);
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
    this.engage();
    this.#serveWaiting();
    this.#dialForWaiting();
  }
}

export function asMentuError(error: unknown, host: string): MentuError {
  return error instanceof MentuError ? error : new MentuError('connect_failed', { host, address: '', reason: error instanceof Error ? error.message : String(error) }, { cause: error });
}
