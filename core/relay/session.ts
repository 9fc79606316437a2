/**
 * One client's connection, from its first byte to its last:
 *
 *   peek → onConnect → the stage of its kind, which may lead to a further one
 *
 * The connection need not be a socket: what goes on inside of a tunnel is a session as well.
 */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { Verdict } from '../decision.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';
import { peekFirstBytes, type FirstBytes } from '../peek/first-bytes.ts';
import type { Outcome, ViolationRecord } from '../record.ts';
import { denialError } from './answer.ts';
import { HttpService, linkFor } from './http-service.ts';
import { Passthrough } from './passthrough.ts';
import type { SessionServices } from './services.ts';
import type { Denial, Session, Stage } from './stage.ts';
import { TlsTermination } from './tls-termination.ts';

/** Milliseconds that a client may be silent at first. */
const SILENCE = 60_000;

/** Ends that are nobody's failure. */
const LEFT: ReadonlySet<string> = new Set(['no_request', 'client_aborted', 'shutting_down']);

type Spoken = Exclude<FirstBytes, { kind: 'none' }>;

export class ClientSession implements Session, Stage {
  readonly services: SessionServices;
  readonly connection: CapturedConnection;
  readonly stream: Duplex;
  readonly #onClose: () => void;
  #stage: Stage | null = null;
  #closed = false;

  constructor(services: SessionServices, stream: Duplex, connection: CapturedConnection, onClose: () => void) {
    this.services = services;
    this.stream = stream;
    this.connection = connection;
    this.#onClose = onClose;
    stream.on('error', ignore);
  }

  get isOver(): boolean {
    return this.#closed;
  }

  begin(): void {
    peekFirstBytes(this.stream, SILENCE, (first) => this.#peeked(first));
  }

  /** Breaks off what is left of the session. */
  destroy(): void {
    this.end('aborted', new MentuError('shutting_down'));
  }

  end(outcome: Outcome, error: MentuError): void {
    this.#stage?.end(outcome, error);
    this.over(error);
    this.stream.destroy();
  }

  proceed(stage: Stage): void {
    this.#stage = stage;
    stage.begin();
  }

  #peeked(first: FirstBytes): void {
    const { connection } = this;
    if (first.kind === 'none') return this.fail(new MentuError('no_request'));
    connection.protocol = first.kind === 'tls' ? 'tls' : first.kind === 'raw' ? 'raw' : 'http';
    if (first.kind === 'tls') connection.clientHello = first.hello;
    this.services.recorder.hooks.connect(connection, (verdict) => {
      if (!this.#closed) this.#decided(first, verdict);
    });
  }

  #decided(first: Spoken, verdict: Verdict | undefined): void {
    // In the clear there is nothing to pass through: such requests are judged one by one.
    if (verdict && verdict.action !== 'allow' && (verdict.action !== 'passthrough' || first.kind === 'tls')) this.connection.verdict = verdict;
    if (first.kind === 'raw') {
      if (verdict?.action === 'deny') return this.deny(verdict);
      return this.fail(new MentuError('protocol_unsupported'));
    }
    this.proceed(this.#stageFor(first, verdict));
  }

  /** One line for each kind. */
  #stageFor({ kind }: Exclude<Spoken, { kind: 'raw' }>, verdict: Verdict | undefined): Stage {
    switch (kind) {
      case 'tls':
        return verdict?.action === 'passthrough' ? new Passthrough(this) : new TlsTermination(this);
      case 'http1':
      case 'http2':
        this.connection.link = linkFor(this, null, kind === 'http2');
        return new HttpService(this, this.stream, kind === 'http2');
    }
  }

  over(error: MentuError): void {
    const { flows, verdict, failure } = this.connection;
    if (flows > 0) return this.close();
    if (verdict?.action === 'deny') return this.deny(verdict);
    this.fail(failure ?? error);
  }

  deny(verdict: Denial): void {
    if (!this.#closed) this.#finish('denied', this.violation(verdict).error);
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
    const kind = this.connection.clientHello ? 'tls' : 'tcp';
    this.services.recorder.completeConnection(this.connection, { kind, outcome, error, bytes: { up: 0, down: 0 } });
    this.stream.destroy();
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.connection.link?.close();
    this.#onClose();
  }
}

function ignore(): void {
  // 'close' follows and is what counts.
}
