/** What a server's alert means: handshakes fail in OpenSSL's words, and in TLS 1.3 the verdict on a client's certificate comes after the handshake (RFC 8446, section 4.4.2). */
import { MentuError } from '../errors.ts';
import type { ClientIdentity } from './client-identity.ts';

/** OpenSSL's and Node's codes for a certificate that was read and not believed. */
const CERTIFICATE_ERROR = /CERT|SELF_SIGNED|UNABLE_TO_|CRL_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH/;
const REQUIRED = /alert certificate required/i;
/** Alerts on a certificate that was shown; where none was, some servers mean by them that one is missing. */
const REFUSED = /alert (bad certificate|unsupported certificate|certificate revoked|certificate expired|certificate unknown|unknown ca|access denied|decrypt error)/i;
const FAILED = /alert handshake failure/i;

type TlsError = Error & { reason?: string; code?: string };

/** `demand`: what the server wants may be a certificate that we do not have. */
export type UpstreamAlert = 'demand' | 'refusal' | 'other';

/** @param shown whether a certificate of ours stood ready. */
export function upstreamAlert(error: Error, shown: boolean): UpstreamAlert {
  const reason = reasonOf(error);
  if (REQUIRED.test(reason) || REFUSED.test(reason)) return shown ? 'refusal' : 'demand';
  return FAILED.test(reason) && !shown ? 'demand' : 'other';
}

/** The table's error for a handshake that failed. */
export function upstreamTlsError(error: TlsError, host: string, identity: ClientIdentity | null): MentuError {
  if (identity && upstreamAlert(error, true) === 'refusal') return refusedIdentity(error, host, identity);
  const isCertificate = CERTIFICATE_ERROR.test(error.code ?? '') && !/^ERR_SSL/.test(error.code ?? '');
  return new MentuError(isCertificate ? 'upstream_certificate_invalid' : 'upstream_tls_failed', { host, reason: reasonOf(error) }, { cause: error });
}

export function refusedIdentity(error: TlsError, host: string, { subject }: Pick<ClientIdentity, 'subject'>): MentuError {
  return new MentuError('client_certificate_rejected', { host, subject: subject.replaceAll('\n', ', '), reason: reasonOf(error) }, { cause: error });
}

function reasonOf(error: TlsError): string {
  return error.reason ?? (error.code && !error.message.includes(error.code) ? `${error.message} (${error.code})` : error.message);
}
