/** TLS that is not ours to read: relayed byte for byte, recorded as one flow of kind `tls`. */
import type { Socket } from 'node:net';
import { MentuError } from '../errors.ts';
import { watchDeparture } from '../peek/departure.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { Outcome, UpstreamRecord } from '../record.ts';
import type { DialledSocket, Dialler } from '../upstream/dialler.ts';
import { asMentuError } from '../upstream/link.ts';
import { dialRefusal } from './answer.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';
import { splice } from './splice.ts';

export class Passthrough {
  readonly #recorder: FlowRecorder;
  readonly #socket: Socket;
  readonly #connection: CapturedConnection;
  readonly #done: () => void;
  readonly #dialling = new AbortController();
  readonly #bytes = { up: 0, down: 0 };
  #upstream: DialledSocket | null = null;
  #finished = false;

  /** @param done is called once, after the record was made. */
  constructor(services: { recorder: FlowRecorder; dialler: Dialler }, socket: Socket, connection: CapturedConnection, done: () => void) {
    this.#recorder = services.recorder;
    this.#socket = socket;
    this.#connection = connection;
    this.#done = done;
    const { host, destination } = connection;
    const address = destination.name === null ? destination.address : null;
    const release = watchDeparture(socket, () => this.end('aborted', new MentuError('client_aborted')));
    services.dialler.dial({ host, address, port: destination.port, signal: this.#dialling.signal, allowHalfOpen: true }).then(
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
    this.#recorder.completeConnection(this.#connection, { kind: 'tls', outcome, error, bytes: this.#bytes, upstream: this.#record() });
    this.#dialling.abort(error);
    this.#socket.destroy();
    this.#upstream?.socket.destroy();
    this.#done();
  }

  #relay(dialled: DialledSocket): void {
    if (this.#finished) return void dialled.socket.destroy();
    this.#upstream = dialled;
    splice(this.#socket, dialled.socket, this.#connection.host, this.#bytes, (end) => this.end(end.outcome, end.error));
  }

  #refused(error: MentuError): void {
    if (this.#finished) return;
    const rule = dialRefusal(error);
    const { host } = this.#connection;
    if (rule !== null) this.#recorder.violation(this.#connection, { code: error.code, rule, host, by: 'core' });
    this.end(rule === null ? 'failed' : 'denied', error);
  }

  #record(): UpstreamRecord | null {
    const upstream = this.#upstream;
    return upstream && { address: upstream.address, port: upstream.port, http_version: null, reused: false, tls: null };
  }
}
