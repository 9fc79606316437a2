/** Which clients are asked for a certificate, what is thought of it, and who is refused. TLS over TCP and over QUIC ask the same object. */
import type { X509Certificate } from 'node:crypto';
import { MentuError } from '../errors.ts';
import { HostPatternList } from '../names/pattern.ts';
import type { ClientCertificateRecord } from '../record-parts.ts';
import { certificateRecord } from './certificate-record.ts';

export interface ClientAuthRule {
  /** A host pattern. */
  readonly host: string;
  /** PEM of the CAs that a certificate has to lead to; null takes any certificate, and calls none verified. */
  readonly ca: string | null;
  /** True: without a certificate, or with one that does not lead to `ca`, requests are refused. */
  readonly require: boolean;
}

export class ClientAuth {
  readonly #patterns: HostPatternList;
  readonly #rules = new Map<string, ClientAuthRule>();

  /** Of two rules with one pattern the first holds. Throws `host_pattern_invalid`. */
  constructor(rules: readonly ClientAuthRule[] = []) {
    this.#patterns = new HostPatternList(rules.map(({ host }) => host));
    for (const rule of rules) if (!this.#rules.has(rule.host)) this.#rules.set(rule.host, rule);
  }

  /** @param host canonical: what the client dials. @param serverName what it asks for, which a rule may name as well. */
  for(host: string, port: number, serverName: string | null = null): ClientAuthRule | null {
    if (this.#patterns.size === 0) return null;
    const pattern = this.#patterns.match(host, port) ?? (serverName === null ? null : this.#patterns.match(serverName, port));
    return pattern === null ? null : this.#rules.get(pattern)!;
  }
}

/** @param fault what OpenSSL says of the certificate against the rule's CAs; null for nothing. */
export function clientCertificateRecord(rule: ClientAuthRule, certificate: X509Certificate, fault: string | null): ClientCertificateRecord {
  const reason = rule.ca === null ? 'no CA is named to verify it' : fault;
  return { ...certificateRecord(certificate), verified: reason === null, fault: reason };
}

/** Why the rule refuses a client; null where it does not. */
export function clientAuthRefusal(rule: ClientAuthRule, certificate: ClientCertificateRecord | null, host: string): MentuError | null {
  if (!rule.require) return null;
  if (certificate === null) return new MentuError('client_certificate_missing', { host });
  if (rule.ca === null || certificate.verified) return null;
  return new MentuError('client_certificate_invalid', { host, subject: certificate.subject.replaceAll('\n', ', '), reason: certificate.fault ?? '' });
}
