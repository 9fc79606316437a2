/** TLS to the upstream: verified, in the likeness of the client's hello, sessions resumed. */
import type { Duplex } from 'node:stream';
import { checkServerIdentity, connect, createSecureContext, getCACertificates, type SecureContext, type TLSSocket } from 'node:tls';
import { isIP } from 'node:net';
import { MentuError } from '../errors.ts';
import type { ClientHello } from '../flow.ts';
import type { UpstreamRecord } from '../record.ts';
import type { PeerCertificateRecord } from '../record-parts.ts';
import type { KeyLog } from './key-log.ts';
import { mirrorKey, mirroredOptions } from './mirror.ts';

const HANDSHAKE_TIMEOUT = 30_000;
const MAX_CONTEXTS = 32;
const MAX_SESSIONS = 500;

/** OpenSSL's and Node's codes for a certificate that was read and not believed. */
const CERTIFICATE_ERROR = /CERT|SELF_SIGNED|UNABLE_TO_|CRL_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH/;

export interface UpstreamTlsTarget {
  /** The name or address that the certificate must be valid for. */
  readonly host: string;
  /** The server name to send; null sends none, as the client did. */
  readonly serverName: string | null;
  readonly port: number;
  readonly hello: ClientHello | null;
  readonly alpn: readonly string[];
  /** Breaks the handshake off. */
  readonly signal: AbortSignal;
}

export interface SecuredUpstream {
  readonly tls: TLSSocket;
  /** What the record says of the upstream's side. */
  readonly record: NonNullable<UpstreamRecord['tls']>;
}

export class UpstreamTls {
  readonly #trustedCAs: readonly string[];
  readonly #keyLog: KeyLog | null;
  #roots: string[] | null = null;
  readonly #contexts = new Map<string, SecureContext>();
  readonly #sessions = new Map<string, { ticket: Buffer; peer: PeerCertificateRecord | null }>();

  /** @param trustedCAs PEM texts that are trusted beside the system's and Node's own roots. */
  constructor(trustedCAs: readonly string[], keyLog: KeyLog | null) {
    this.#trustedCAs = trustedCAs;
    this.#keyLog = keyLog;
  }

  /** Reads the system's roots ahead of the first connection, while there is time. */
  warm(): void {
    this.#roots ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...this.#trustedCAs])];
  }

  /** Completes the handshake on a connected socket. Rejects with `upstream_certificate_invalid`, `upstream_tls_failed` or the signal's reason; the socket is closed then. */
  handshake(socket: Duplex, target: UpstreamTlsTarget): Promise<SecuredUpstream> {
    const context = this.#contextFor(target.hello);
    const key = `${target.host}|${target.serverName}|${target.port}|${target.alpn}|${mirrorKey(target.hello)}`;
    const session = this.#sessions.get(key);
    return new Promise((resolve, reject) => {
      const tls = connect({
        socket,
        host: target.host,
        ...(target.serverName !== null && !isIP(target.serverName) ? { servername: target.serverName } : {}),
        secureContext: context,
        checkServerIdentity: (_name, certificate) => checkServerIdentity(target.host, certificate),
        ...(target.alpn.length > 0 ? { ALPNProtocols: [...target.alpn] } : {}),
        ...(session ? { session: session.ticket } : {}),
      });
      this.#keyLog?.watch(tls);
      const settle = (): void => {
        clearTimeout(timer);
        target.signal.removeEventListener('abort', aborted);
        tls.off('close', closed);
      };
      const fail = (error: Error & { code?: string }): void => {
        settle();
        this.#sessions.delete(key);
        tls.destroy();
        const certificate = CERTIFICATE_ERROR.test(error.code ?? '') && !/^ERR_SSL/.test(error.code ?? '');
        reject(new MentuError(certificate ? 'upstream_certificate_invalid' : 'upstream_tls_failed', { host: target.host, reason: reasonOf(error) }, { cause: error }));
      };
      const timer = setTimeout(() => fail(new Error(`no answer within ${HANDSHAKE_TIMEOUT / 1000} s`)), HANDSHAKE_TIMEOUT);
      const closed = (): void => fail(new Error('the server closed the connection'));
      const aborted = (): void => {
        settle();
        tls.destroy();
        reject(target.signal.reason as Error);
      };
      tls.on('error', fail);
      tls.on('close', closed);
      target.signal.addEventListener('abort', aborted);
      // A resumed connection shows no certificate: it is the one of the connection that gave the session.
      let peer: PeerCertificateRecord | null = session?.peer ?? null;
      tls.on('session', (ticket) => this.#remember(key, { ticket, peer: peer ?? peerCertificate(tls) }));
      tls.once('secureConnect', () => {
        settle();
        tls.off('error', fail);
        peer = peerCertificate(tls) ?? peer;
        const { standardName } = tls.getCipher();
        const alpn = tls.alpnProtocol || null;
        resolve({ tls, record: { version: tls.getProtocol(), cipher: standardName, alpn, peer_certificate: peer, client_certificate: null } });
      });
    });
  }

  close(): void {
    this.#contexts.clear();
    this.#sessions.clear();
  }

  #contextFor(hello: ClientHello | null): SecureContext {
    const key = mirrorKey(hello);
    const known = this.#contexts.get(key);
    if (known) return known;
    this.warm();
    const ca = this.#roots!;
    let context: SecureContext;
    try {
      context = createSecureContext({ ca, ...mirroredOptions(hello) });
    } catch {
      // A combination that OpenSSL does not take as a whole: Node's own offer serves better than none.
      context = createSecureContext({ ca });
    }
    if (this.#contexts.size >= MAX_CONTEXTS) this.#contexts.delete(this.#contexts.keys().next().value!);
    this.#contexts.set(key, context);
    return context;
  }

  #remember(key: string, session: { ticket: Buffer; peer: PeerCertificateRecord | null }): void {
    this.#sessions.delete(key);
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value!);
    this.#sessions.set(key, session);
  }
}

function reasonOf(error: Error & { reason?: string; code?: string }): string {
  return error.reason ?? (error.code && !error.message.includes(error.code) ? `${error.message} (${error.code})` : error.message);
}

function peerCertificate(tls: TLSSocket): PeerCertificateRecord | null {
  const certificate = tls.getPeerX509Certificate();
  if (!certificate) return null;
  return {
    subject: certificate.subject ?? '',
    issuer: certificate.issuer ?? '',
    serial: certificate.serialNumber,
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    valid_from: new Date(certificate.validFrom).toISOString(),
    valid_to: new Date(certificate.validTo).toISOString(),
    alt_names: certificate.subjectAltName ?? '',
  };
}
