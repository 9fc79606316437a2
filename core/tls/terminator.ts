/** TLS to the client: ends it with a certificate of the job's authority. */
import { TLSSocket, type SecureContext } from 'node:tls';
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { ClientCertificateRecord } from '../record-parts.ts';
import { clientCertificateRecord, type ClientAuthRule } from './client-auth.ts';
import type { KeyLog } from './key-log.ts';

const HANDSHAKE_TIMEOUT = 30_000;

/** Alerts by which a client says that it does not believe a certificate (RFC 8446, section 6.2). */
const REJECTION = /alert (unknown ca|bad certificate|certificate unknown|unsupported certificate|certificate expired|access denied)/i;

export interface TerminatorOptions {
  readonly context: SecureContext;
  readonly alpn: readonly string[];
  readonly host: string;
  /** What the client's port and name are in `passthrough`, for the message to one that does not want us. */
  readonly pattern: string;
  /** By which the client is asked for a certificate; null does not ask. */
  readonly clientAuth: ClientAuthRule | null;
  readonly keyLog: KeyLog | null;
}

/**
 * Completes the handshake as the server. The bytes of the hello stand in the socket.
 * Calls back with `client_rejected_certificate`, `client_tls_failed` or `client_aborted` where it fails.
 */
export function terminateTls(
  socket: Duplex,
  options: TerminatorOptions,
  done: (error: MentuError | null, tls: TLSSocket) => void,
): void {
  const tls = new TLSSocket(socket, {
    isServer: true,
    secureContext: options.context,
    // What is wrong with a certificate is said in HTTP, where a client can read it.
    ...(options.clientAuth ? { requestCert: true, rejectUnauthorized: false } : {}),
    ...(options.alpn.length > 0 ? { ALPNProtocols: [...options.alpn] } : {}),
  });
  options.keyLog?.watch(tls);
  let settled = false;
  const settle = (error: MentuError | null): void => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    tls.off('secure', secured);
    tls.off('close', closed);
    tls.off('end', closed);
    tls.off('_tlsError', failed);
    tls.off('error', failed);
    if (error) {
      tls.on('error', () => {});
      tls.destroy();
    } else {
      // tls.Server clears this mark on its sockets, and node:http2 waits for it; this socket has no tls.Server.
      Object.assign(tls, { secureConnecting: false });
    }
    done(error, tls);
  };
  const secured = (): void => settle(null);
  const closed = (): void => settle(new MentuError('client_aborted'));
  const failed = (error: Error): void => settle(clientTlsError(error, options));
  const timer = setTimeout(() => settle(new MentuError('client_tls_failed', { reason: `no answer within ${HANDSHAKE_TIMEOUT / 1000} s` })), HANDSHAKE_TIMEOUT);
  tls.on('secure', secured);
  tls.on('close', closed);
  // Half a connection is not closed by itself.
  tls.on('end', closed);
  // Before the handshake is over Node reports its failure by this event alone.
  tls.on('_tlsError', failed);
  tls.on('error', failed);
}

/** In TLS 1.3 a client's rejection arrives after our side of the handshake is over, as an error of the connection. */
export function clientTlsError(error: Error & { reason?: string; code?: string }, { host, pattern }: Pick<TerminatorOptions, 'host' | 'pattern'>): MentuError {
  const reason = error.reason ?? error.message;
  if (REJECTION.test(reason)) return new MentuError('client_rejected_certificate', { host, pattern, reason }, { cause: error });
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return new MentuError('client_aborted', {}, { cause: error });
  return new MentuError('client_tls_failed', { reason }, { cause: error });
}

/** There is no certificate for the name that the client asks for: the fault is its own. */
export function uncertified(cause: unknown): MentuError {
  return new MentuError('client_tls_failed', { reason: `no certificate can be made for its server name: ${cause instanceof Error ? cause.message : String(cause)}` }, { cause });
}

/** The certificate that the client showed by a rule; null where it has none. */
export function shownCertificate(tls: TLSSocket, rule: ClientAuthRule): ClientCertificateRecord | null {
  const certificate = tls.getPeerX509Certificate();
  if (!certificate) return null;
  // tls.Server says `authorized`; this socket has no tls.Server.
  const { _handle: handle } = tls as unknown as { _handle: { verifyError(): (Error & { code?: string }) | null } | null };
  const fault = handle ? handle.verifyError() : new Error('the connection is gone');
  // Node adds advice on its own flags.
  return clientCertificateRecord(rule, certificate, fault && fault.message.split(';')[0]!);
}
