/** TLS to the upstream: verified, in the likeness of the client's hello, sessions resumed. */
import type { Duplex } from 'node:stream';
import { checkServerIdentity, connect, createSecureContext, getCACertificates, type ConnectionOptions, type SecureContext, type TLSSocket } from 'node:tls';
import { isIP } from 'node:net';
import type { ClientHello } from '../flow.ts';
import type { UpstreamTlsRecord } from '../record.ts';
import type { PeerCertificateRecord } from '../record-parts.ts';
import { inquireCertificate, type CertificateRequest } from './certificate-inquiry.ts';
import { certificateRecord } from './certificate-record.ts';
import { ClientCertificates } from './client-certificates.ts';
import type { ClientIdentity } from './client-identity.ts';
import type { KeyLog } from './key-log.ts';
import { mirrorKey, mirroredOptions } from './mirror.ts';
import { upstreamTlsError } from './upstream-alert.ts';

const HANDSHAKE_TIMEOUT = 30_000;
const MAX_CONTEXTS = 32;
const MAX_SESSIONS = 500;

export interface UpstreamTlsTarget {
  /** Canonical name or address: what was dialled. */
  readonly dialled: string;
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
  readonly record: UpstreamTlsRecord;
  /** What stood ready for the server to ask for. */
  readonly identity: ClientIdentity | null;
}

export class UpstreamTls {
  readonly #trustedCAs: readonly string[];
  readonly #certificates: ClientCertificates;
  readonly #keyLog: KeyLog | null;
  #roots: string[] | null = null;
  readonly #contexts = new Map<string, SecureContext>();
  readonly #sessions = new Map<string, { ticket: Buffer; peer: PeerCertificateRecord | null }>();

  /** @param trustedCAs PEM texts that are trusted beside the system's and Node's own roots. */
  constructor(trustedCAs: readonly string[], { certificates, keyLog }: { certificates?: ClientCertificates; keyLog?: KeyLog | null | undefined } = {}) {
    this.#trustedCAs = trustedCAs;
    this.#certificates = certificates ?? new ClientCertificates();
    this.#keyLog = keyLog ?? null;
  }

  /** Reads the system's roots ahead of the first connection, while there is time. */
  warm(): void {
    this.#roots ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...this.#trustedCAs])];
  }

  /** PEM texts of what upstreams' certificates must lead to. */
  get roots(): readonly string[] {
    this.warm();
    return this.#roots!;
  }

  /** True where a certificate of ours stands ready for the server to ask for. */
  hasIdentityFor({ dialled, port, host }: Pick<UpstreamTlsTarget, 'dialled' | 'port' | 'host'>): boolean {
    return this.#certificates.for(dialled, port, host) !== null;
  }

  /**
   * Completes the handshake on a connected socket. Rejects with `upstream_certificate_invalid`, `client_certificate_rejected`,
   * `upstream_tls_failed` or the signal's reason; the socket is closed then.
   */
  handshake(socket: Duplex, target: UpstreamTlsTarget): Promise<SecuredUpstream> {
    const identity = this.#certificates.for(target.dialled, target.port, target.host);
    const key = `${target.host}|${target.serverName}|${target.port}|${target.alpn}|${identity?.sha256}|${mirrorKey(target.hello)}`;
    const session = this.#sessions.get(key);
    return new Promise((resolve, reject) => {
      const tls = connect({ socket, ...this.#options(target, identity), ...(session ? { session: session.ticket } : {}) });
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
        reject(upstreamTlsError(error, target.host, identity));
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
        const shown = identity && { subject: identity.subject, sha256: identity.sha256 };
        resolve({ tls, identity, record: { version: tls.getProtocol(), cipher: standardName, alpn, peer_certificate: peer, client_certificate: shown } });
      });
    });
  }

  /** Asks a server whose handshake failed whether it wanted a certificate: null where not, or where there is no telling. The socket is closed then. */
  inquire(socket: Duplex, target: UpstreamTlsTarget): Promise<CertificateRequest | null> {
    return inquireCertificate(socket, this.#options(target, null));
  }

  close(): void {
    this.#contexts.clear();
    this.#sessions.clear();
  }

  #options({ host, serverName, hello, alpn }: UpstreamTlsTarget, identity: ClientIdentity | null): ConnectionOptions {
    return {
      host,
      ...(serverName !== null && !isIP(serverName) ? { servername: serverName } : {}),
      secureContext: this.#contextFor(hello, identity),
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
      ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
    };
  }

  #contextFor(hello: ClientHello | null, identity: ClientIdentity | null): SecureContext {
    const key = `${identity?.sha256}|${mirrorKey(hello)}`;
    const known = this.#contexts.get(key);
    if (known) return known;
    this.warm();
    const options = { ca: this.#roots!, ...identity?.material };
    let context: SecureContext;
    try {
      context = createSecureContext({ ...options, ...mirroredOptions(hello) });
    } catch {
      // A combination that OpenSSL does not take as a whole: Node's own offer serves better than none.
      context = createSecureContext(options);
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

function peerCertificate(tls: TLSSocket): PeerCertificateRecord | null {
  const certificate = tls.getPeerX509Certificate();
  return certificate ? certificateRecord(certificate) : null;
}
