/**
 * One client's connection, from its first byte to its last:
 *
 *   peek → onConnect → the stage of its kind, which may lead to a further one
 *
 * The connection need not be a socket: what goes on inside of a tunnel is a session as well. Inside of TLS, where no
 * ALPN tells, there is a second peek.
 */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { Verdict } from '../decision.ts';
import type { Destination } from '../flow.ts';
import { CapturedConnection } from '../flows/captured-connection.ts';
import { breakConnection } from '../http1/closing.ts';
import { peekFirstBytes, type FirstBytes } from '../peek/first-bytes.ts';
import type { Outcome, ViolationRecord } from '../record.ts';
import { RawRelay } from '../tcp/raw-relay.ts';
import { graceFor, serverSpeaksFirst } from '../tcp/server-first.ts';
import { SilentClient } from '../tcp/silent-client.ts';
import type { Dialled, UpstreamDialler } from '../upstream/dialler.ts';
import { ReadyDialler } from '../upstream/ready-dialler.ts';
import { denialError } from './answer.ts';
import type { SessionServices } from './services.ts';
import type { Denial, Session, Stage } from './stage.ts';
import { stageFor, type Spoken } from './stage-choice.ts';

/** Milliseconds that a client may be silent at first. */
const SILENCE = 60_000;

/** Ends that are nobody's failure. */
const LEFT: ReadonlySet<string> = new Set(['no_request', 'client_aborted', 'shutting_down']);

const PROTOCOLS = { tls: 'tls', http1: 'http', http2: 'http', raw: 'raw', 'broken-tls': 'raw' } as const;

export class ClientSession implements Session, Stage {
  readonly services: SessionServices;
  readonly connection: CapturedConnection;
  dialler: UpstreamDialler;
  stream: Duplex;
  /** The client's connection itself, whatever `stream` was taken out of it. */
  readonly #outer: Duplex;
  readonly #onClose: () => void;
  #stage: Stage | null = null;
  #silent: SilentClient | null = null;
  #ready: ReadyDialler | null = null;
  /** Why the upstream of a client that says nothing is not dialled. */
  #silenceDenied: Denial | null = null;
  /** Plugins were asked about a client that says nothing. */
  #silenceJudged = false;
  #stopPeek: () => void = () => {};
  /** Counts what was peeked, so that a decision about silence does not outlive it. */
  #peeks = 0;
  #closed = false;

  constructor(services: SessionServices, stream: Duplex, connection: CapturedConnection, onClose: () => void) {
    this.services = services;
    this.dialler = services.dialler;
    this.stream = stream;
    this.#outer = stream;
    this.connection = connection;
    this.#onClose = onClose;
    stream.on('error', ignore);
  }

  get isOver(): boolean {
    return this.#closed;
  }

  begin(): void {
    const silence = { after: graceFor(this.connection.destination.port), notify: () => this.#decideSilent() };
    this.#stopPeek = peekFirstBytes(this.stream, SILENCE, this.#peeked, silence);
  }

  decrypted(stream: Duplex): void {
    this.stream = stream;
    this.#stage = null;
    this.begin();
  }

  nest(stream: Duplex, destination: Destination, dialler: ReadyDialler): void {
    const { client } = this.connection;
    const connection = new CapturedConnection(this.services.nextConnectionId(), client, destination);
    this.proceed(new ClientSession({ ...this.services, dialler }, stream, connection, () => {
      dialler.close();
      this.close();
    }));
  }

  /** Breaks off what is left of the session. */
  destroy(): void {
    this.end('aborted', new MentuError('shutting_down'));
  }

  end(outcome: Outcome, error: MentuError): void {
    this.#stage?.end(outcome, error);
    this.over(error);
    this.stream.destroy();
    this.#outer.destroy();
  }

  proceed(stage: Stage): void {
    this.#stage = stage;
    stage.begin();
  }

  /** The client waits for its server, it seems: where a connection that is not HTTP is allowed, the server is dialled. */
  #decideSilent(): void {
    const peek = this.#peeks;
    this.#silenceJudged = true;
    this.#ask('raw', (verdict) => {
      if (peek !== this.#peeks) return;
      const { connection } = this;
      const dials = connection.verdict === undefined && (verdict === undefined || verdict.action === 'allow' || verdict.action === 'passthrough');
      if (dials) return this.proceed((this.#silent = new SilentClient(this, (upstream) => this.#serverSpoke(upstream))));
      // What is not allowed to the unknown may be to HTTP: unless nothing else is to be expected, the client has its time to speak.
      connection.protocol = connection.clientHello ? 'tls' : 'raw';
      const denial = verdict?.action === 'deny' ? verdict : connection.verdict;
      if (denial?.action !== 'deny') return;
      if (serverSpeaksFirst(connection.destination.port)) this.#denyRaw(denial);
      else this.#silenceDenied = denial;
    });
  }

  #serverSpoke(dialled: Dialled): void {
    this.#peeks++;
    this.#stopPeek();
    this.connection.link?.ready.found();
    this.proceed(new RawRelay(this, { dialled }));
  }

  readonly #peeked = (said: FirstBytes): void => {
    this.#peeks++;
    if (said.kind === 'none') return this.#saidNothing(said.left);
    const { connection } = this;
    this.#takeOver();
    const inTls = connection.clientHello !== null;
    // TLS within TLS is not ours to decrypt again.
    const first: Exclude<FirstBytes, { kind: 'none' }> = inTls && said.kind === 'tls' ? { kind: 'raw' } : said;
    if (first.kind === 'tls') {
      connection.clientHello = first.hello;
      connection.pinned = this.services.pinnedNames.has(connection);
    }
    // Inside of TLS, HTTP is what the connection was judged for; each request is, besides. What was said of its silence does not hold for it.
    const isHttps = inTls && (first.kind === 'http1' || first.kind === 'http2');
    if (isHttps && !this.#silenceJudged) return this.proceed(stageFor(this, first, connection.verdict));
    this.#ask(isHttps ? 'tls' : PROTOCOLS[first.kind], (verdict) => this.#decided(first, verdict));
  };

  /** A silent client has spoken after all: what was dialled for it is its upstream. */
  #takeOver(): void {
    const opening = this.#silent?.release();
    this.#silent = null;
    // A link keeps what it has lent.
    if (!opening || this.connection.link) return;
    this.dialler = this.#ready = new ReadyDialler(opening, this.dialler);
  }

  #saidNothing(left: boolean): void {
    const error = new MentuError('no_request');
    if (this.#silent && left) return this.#silent.end('aborted', error);
    // Both sides are silent, and welcome to be; what the client says one day is looked at all the same.
    if (this.#silent) return void (this.#stopPeek = peekFirstBytes(this.stream, SILENCE, this.#peeked));
    if (this.#silenceDenied && !left) return this.#denyRaw(this.#silenceDenied);
    this.over(error);
  }

  #ask(protocol: 'tls' | 'http' | 'raw', decided: (verdict: Verdict | undefined) => void): void {
    this.connection.protocol = protocol;
    this.services.recorder.hooks.connect(this.connection, (verdict) => {
      if (!this.#closed) decided(verdict);
    });
  }

  #decided(first: Spoken | { kind: 'broken-tls' }, verdict: Verdict | undefined): void {
    const { connection } = this;
    // Who left meanwhile says so no more.
    if (this.stream.destroyed || this.#outer.destroyed) {
      if (verdict?.action === 'deny') connection.verdict = verdict;
      return this.over(new MentuError('client_aborted'));
    }
    if (first.kind === 'raw' || first.kind === 'broken-tls') {
      const denial = connection.verdict?.action === 'deny' ? connection.verdict : verdict;
      if (denial?.action === 'deny') return this.#denyRaw(denial);
      if (first.kind === 'broken-tls') return this.fail(new MentuError('client_tls_failed', { reason: 'its ClientHello cannot be read' }));
      // There is no telling how an answer of HTTP would be said in it.
      if (verdict?.action === 'answer' || connection.verdict) return this.fail(new MentuError('protocol_unsupported'));
    } else if (verdict && verdict.action !== 'allow' && (verdict.action !== 'passthrough' || first.kind === 'tls')) {
      // In the clear there is nothing to pass through: such requests are judged one by one.
      connection.verdict = verdict;
    }
    this.proceed(stageFor(this, first, verdict));
  }

  over(error: MentuError): void {
    const { flows, verdict, failure } = this.connection;
    // What goes on inside of a tunnel ends by itself, and this with it.
    if (flows > 0) return this.#stage instanceof ClientSession && !this.#stage.isOver ? undefined : this.close();
    if (verdict?.action === 'deny') return this.deny(verdict);
    this.fail(failure ?? error);
  }

  deny(verdict: Denial): void {
    if (!this.#closed) this.#finish('denied', this.violation(verdict).error);
  }

  #denyRaw(verdict: Denial): void {
    this.connection.protocol = 'raw';
    this.connection.verdict = verdict;
    this.deny(verdict);
  }

  violation(verdict: Denial): { violation: ViolationRecord; error: MentuError } {
    const host = verdict.host ?? this.connection.host;
    const violation = this.services.recorder.violation(this.connection, { code: verdict.code ?? 'denied', rule: verdict.rule, host, by: verdict.by });
    return { violation, error: denialError(verdict, host, this.connection.host) };
  }

  fail(error: MentuError): void {
    this.#finish(LEFT.has(error.code) ? 'aborted' : 'failed', error);
  }

  #finish(outcome: Outcome, error: MentuError): void {
    if (this.#closed) return;
    const { connection } = this;
    const isRaw = connection.protocol === 'raw';
    this.services.recorder.completeConnection(connection, { kind: isRaw || !connection.clientHello ? 'tcp' : 'tls', outcome, error, bytes: { up: 0, down: 0 } });
    if (isRaw && outcome !== 'aborted') this.reset();
    this.stream.destroy();
    this.#outer.destroy();
    this.close();
  }

  reset(): void {
    breakConnection(this.#outer);
    this.stream.destroy();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopPeek();
    this.#ready?.close();
    this.connection.link?.close();
    this.#onClose();
  }
}

function ignore(): void {
  // 'close' follows and is what counts.
}
