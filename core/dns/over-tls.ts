/** DNS over TLS (RFC 7858): refused before a byte is read, so that clients fall back to port 53 at once. */
import type { Socket } from 'node:net';
import { MentuError } from '../errors.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import { denialError } from '../relay/answer.ts';

export const DNS_OVER_TLS_PORT = 853;

/** Ends the connection by a reset. It is one flow, denied by the lists where they deny it, and else by us. */
export function refuseDnsOverTls(recorder: FlowRecorder, socket: Socket, connection: CapturedConnection): void {
  socket.on('error', () => {});
  recorder.admit(() =>
    recorder.hooks.connect(connection, (verdict) => {
      const { host } = connection;
      const denial = verdict?.action === 'deny' ? verdict : null;
      const code = denial ? (denial.code ?? 'denied') : 'dns_over_tls_refused';
      if (denial) connection.verdict = denial;
      const error = denial ? denialError(denial, denial.host ?? host, host) : new MentuError('dns_over_tls_refused', { host });
      recorder.violation(connection, { code, rule: denial?.rule ?? 'DNS over TLS', host: denial?.host ?? host, by: denial?.by ?? 'core' });
      recorder.completeConnection(connection, { kind: 'tcp', outcome: 'denied', error, bytes: { up: 0, down: 0 } });
      socket.resetAndDestroy();
    }),
  );
}
