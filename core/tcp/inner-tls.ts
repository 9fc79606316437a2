/** TLS that begins inside of a connection once its protocol has agreed to it: judged, then decrypted on both sides, or left as it is. */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { ClientHello } from '../flow.ts';
import { watchDeparture } from '../peek/departure.ts';
import { peekFirstBytes } from '../peek/first-bytes.ts';
import type { Outcome } from '../record.ts';
import type { Session } from '../relay/stage.ts';
import { offerable } from '../relay/alpn-memory.ts';
import { decryptClient } from '../relay/tls-termination.ts';
import type { Dialled } from '../upstream/dialler.ts';
import { asMentuError } from '../upstream/link.ts';
import { identity } from '../upstream/opening.ts';

/** Milliseconds in which the client must say something after the server has agreed. */
const SILENCE = 60_000;

/** Exactly one of them is called, once. */
export interface InnerTlsEvents {
  /** It is no TLS after all, and goes on as before. */
  clear(): void;
  /** It is TLS that is to pass undecrypted. */
  opaque(): void;
  secured(client: Duplex, upstream: Dialled): void;
  failed(outcome: Outcome, error: MentuError): void;
}

export class InnerTls {
  readonly #session: Session;
  readonly #client: Duplex;
  readonly #upstream: Dialled;
  readonly #events: InnerTlsEvents;
  readonly #abort = new AbortController();
  #stopPeek: () => void = () => {};
  #isOver = false;

  constructor(session: Session, client: Duplex, upstream: Dialled, events: InnerTlsEvents) {
    this.#session = session;
    this.#client = client;
    this.#upstream = upstream;
    this.#events = events;
  }

  begin(): void {
    const { socket } = this.#upstream;
    // A server that goes on by itself has agreed to something else.
    const interrupted = (): void => {
      settle();
      this.#stopPeek();
      this.#over(() => this.#events.clear());
    };
    const settle = (): void => {
      socket.off('readable', interrupted);
      socket.off('close', interrupted);
      socket.pause();
    };
    this.#stopPeek = peekFirstBytes(this.#client, SILENCE, (first) => {
      settle();
      if (first.kind === 'tls') this.#judge(first.hello);
      else this.#over(() => this.#events.clear());
    });
    socket.on('readable', interrupted);
    socket.on('close', interrupted);
  }

  /** Nothing is called any more. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopPeek();
    this.#abort.abort(new MentuError('shutting_down'));
  }

  #over(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    tell();
  }

  /** The server name is judged, and whether it is to be decrypted. */
  #judge(hello: ClientHello): void {
    const { connection, services } = this.#session;
    connection.clientHello = hello;
    connection.pinned = services.pinnedNames.has(connection);
    connection.protocol = 'tls';
    services.recorder.hooks.connect(connection, (verdict) => {
      connection.protocol = 'raw';
      if (this.#isOver) return;
      if (verdict?.action === 'deny') {
        connection.verdict = verdict;
        const { error } = this.#session.violation(verdict);
        return this.#over(() => this.#events.failed('denied', error));
      }
      if (verdict?.action === 'passthrough') {
        connection.verdict = verdict;
        return this.#over(() => this.#events.opaque());
      }
      // There is no telling how an answer of HTTP would be said in it.
      if (verdict?.action === 'answer') return this.#over(() => this.#events.failed('failed', new MentuError('protocol_unsupported')));
      if (this.#client.destroyed) return this.#over(() => this.#events.failed('aborted', new MentuError('client_aborted')));
      this.#secure(hello);
    });
  }

  #secure(hello: ClientHello): void {
    const { connection, services } = this.#session;
    const { host, destination } = connection;
    const start = performance.now();
    const release = watchDeparture(this.#client, () => {
      this.#abort.abort(new MentuError('client_aborted'));
      this.#over(() => this.#events.failed('aborted', new MentuError('client_aborted')));
    });
    const target = { dialled: host, host: identity(hello.sni, host), serverName: hello.sni, port: destination.port, hello, alpn: offerable(hello.alpn), signal: this.#abort.signal };
    services.upstreamTls.handshake(this.#upstream.socket, target).then(
      ({ tls, record }) => {
        if (this.#isOver) return void tls.destroy();
        tls.on('error', () => {});
        release();
        const { timing } = this.#upstream;
        this.#terminate({ ...this.#upstream, socket: tls, tls: record, timing: { ...timing, tls: performance.now() - start } });
      },
      (error: unknown) => {
        if (this.#isOver) return;
        release();
        this.#over(() => this.#events.failed('failed', asMentuError(error, host)));
      },
    );
  }

  #terminate(upstream: Dialled): void {
    const { connection } = this.#session;
    const chosen = upstream.tls?.alpn ?? null;
    decryptClient(this.#session, this.#client, chosen === null ? [] : [chosen], (error, tls) => {
      if (this.#isOver) return void tls?.destroy();
      const failure = error ?? connection.failure;
      if (!failure) return this.#over(() => this.#events.secured(tls!, upstream));
      tls?.destroy();
      upstream.socket.destroy();
      this.#over(() => this.#events.failed(failure.code === 'client_aborted' ? 'aborted' : 'failed', failure));
    });
  }
}
