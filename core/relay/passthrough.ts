/** TLS that is not ours to read: relayed byte for byte, recorded as one flow of kind `tls`. */
import { MentuError } from '../errors.ts';
import { watchDeparture } from '../peek/departure.ts';
import type { Outcome, UpstreamRecord } from '../record.ts';
import type { Dialled } from '../upstream/dialler.ts';
import { asMentuError } from '../upstream/link.ts';
import { dialRefusal } from './answer.ts';
import { HandshakeWatch } from './handshake-watch.ts';
import { splice } from './splice.ts';
import type { Session, Stage } from './stage.ts';

export class Passthrough implements Stage {
  readonly #session: Session;
  readonly #dialling = new AbortController();
  readonly #bytes = { up: 0, down: 0 };
  /** Null where nobody records. */
  readonly #watch: HandshakeWatch | null;
  #upstream: Dialled | null = null;
  #finished = false;

  constructor(session: Session) {
    this.#session = session;
    this.#watch = session.services.recorder.captureSettings && new HandshakeWatch(session.connection.clientHello!);
  }

  begin(): void {
    const { connection, dialler, stream } = this.#session;
    const { host, destination } = connection;
    const address = destination.name === null ? destination.address : null;
    const release = watchDeparture(stream, () => this.end('aborted', new MentuError('client_aborted')));
    dialler.dial({ host, address, port: destination.port, signal: this.#dialling.signal, allowHalfOpen: true }).then(
      (dialled) => {
        release();
        this.#relay(dialled);
      },
      (error: unknown) => {
        release();
        this.#refused(asMentuError(error, host));
      },
    );
  }

  /** Ends the flow, if it is not over, and both connections. */
  end(outcome: Outcome, error: MentuError | null): void {
    if (this.#finished) return;
    this.#finished = true;
    const { connection, services, stream } = this.#session;
    const timing = { ...this.#upstream?.timing, tls: this.#watch?.took ?? null };
    services.recorder.completeConnection(connection, { kind: 'tls', outcome, error, bytes: this.#bytes, upstream: this.#record(), timing, parts: this.#watch ? [this.#watch] : [] });
    this.#dialling.abort(error);
    stream.destroy();
    this.#upstream?.socket.destroy();
    this.#session.close();
  }

  #relay(dialled: Dialled): void {
    if (this.#finished) return void dialled.socket.destroy();
    this.#upstream = dialled;
    const { connection, stream } = this.#session;
    this.#watch?.begin();
    splice(stream, dialled.socket, connection.host, this.#bytes, (end) => this.end(end.outcome, end.error), this.#watch);
  }

  #refused(error: MentuError): void {
    if (this.#finished) return;
    const rule = dialRefusal(error);
    const { connection, services } = this.#session;
    if (rule !== null) services.recorder.violation(connection, { code: error.code, rule, host: connection.host, by: 'core' });
    this.end(rule === null ? 'failed' : 'denied', error);
  }

  #record(): UpstreamRecord | null {
    const upstream = this.#upstream;
    return upstream && { address: upstream.address, port: upstream.port, http_version: null, reused: false, tls: null };
  }
}
