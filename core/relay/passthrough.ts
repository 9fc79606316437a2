/** TLS that is not ours to read: relayed byte for byte, recorded as one flow of kind `tls`. */
import type { Socket } from 'node:net';
import { MentuError } from '../errors.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { Outcome } from '../record.ts';
import type { Dialler } from '../upstream/dialler.ts';
import { asMentuError } from '../upstream/link.ts';
import { dialRefusal } from './answer.ts';
import type { CapturedConnection } from './captured-connection.ts';
import { splice } from './splice.ts';

export function relayUndecrypted(services: { recorder: FlowRecorder; dialler: Dialler }, socket: Socket, connection: CapturedConnection, done: () => void): void {
  const { recorder, dialler } = services;
  const bytes = { up: 0, down: 0 };
  const abort = new AbortController();
  const gone = (): void => abort.abort(new MentuError('client_aborted'));
  socket.once('close', gone);
  const finish = (outcome: Outcome, error: MentuError | null): void => {
    recorder.completeConnection(connection, { kind: 'tls', outcome, error, bytes });
    done();
  };
  const { host, destination } = connection;
  dialler.dial({ host, address: destination.name === null ? destination.address : null, port: destination.port, signal: abort.signal, allowHalfOpen: true }).then(
    ({ socket: upstream }) => {
      socket.off('close', gone);
      splice(socket, upstream, host, bytes, (end) => finish(end.outcome, end.error));
    },
    (error: unknown) => {
      socket.off('close', gone);
      socket.destroy();
      const failure = asMentuError(error, host);
      const rule = dialRefusal(failure);
      if (rule !== null) recorder.violation(connection, { code: failure.code, rule, host, by: 'core' });
      finish(rule === null ? 'failed' : 'denied', failure);
    },
  );
}
