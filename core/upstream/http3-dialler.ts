/**
 * The way to an upstream over HTTP/3, for clients that came by it themselves: the vetted address by QUIC, or nothing, and
 * then it is TCP's turn. What did not answer is not asked again for a while.
 */
import { connectQuic } from '../quic/client.ts';
import type { QuicConnection } from '../quic/connection.ts';
import type { QuicTransport, TransportConfig } from '../quic/transport.ts';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import type { Dialler } from './dialler.ts';
import { identity, type Http3Way, type LinkFacts, type LinkTarget } from './opening.ts';

/** Milliseconds for a handshake, before TCP is tried. */
const PATIENCE = 2_000;
/** Milliseconds for which an upstream that could not be reached is not tried again. */
const LIFETIME = 5 * 60_000;
const MAX_ENTRIES = 2000;
/** Bytes of a datagram: what every path carries that carries QUIC at all, and most carry. */
const MAX_DATAGRAM = 1350;
/** Addresses of one name that are tried, one after the other. */
const MAX_ATTEMPTS = 2;

interface Http3Connected {
  readonly connection: QuicConnection;
  /** The handshake of QUIC is that of TLS: there is no time between the two. */
  readonly facts: LinkFacts;
}

export class Http3Dialler implements Http3Way {
  readonly #transport: QuicTransport;
  readonly #dialler: Dialler;
  readonly #tls: UpstreamTls;
  #config: TransportConfig | null = null;
  /** Upstreams that could not be reached, and until when that is believed. */
  readonly #silent = new Map<string, number>();

  constructor(transport: QuicTransport, dialler: Dialler, tls: UpstreamTls) {
    this.#transport = transport;
    this.#dialler = dialler;
    this.#tls = tls;
  }

  /** A connection that speaks HTTP/3, or null where there is none to be had. Rejects with the signal's reason only. */
  async connect({ host, address, port, tls }: LinkTarget, signal: AbortSignal): Promise<Http3Connected | null> {
    if (!tls) return null;
    const name = identity(tls.serverName, host);
    const key = keyOf({ host, address, port, tls });
    // A server that asks for a certificate is shown ours over TCP.
    if (this.#isSilent(key) || this.#tls.hasIdentityFor({ dialled: host, host: name, port })) return null;
    try {
      const found = await this.#dialler.datagramTargets({ host, address, port, signal });
      return found && (await this.#first(found, { host: name, serverName: tls.serverName }, signal));
    } catch {
      signal.throwIfAborted();
      this.#remember(key);
      return null;
    }
  }

  avoid(target: LinkTarget): void {
    this.#remember(keyOf(target));
  }

  async #first({ targets, dns }: NonNullable<Awaited<ReturnType<Dialler['datagramTargets']>>>, names: { host: string; serverName: string | null }, signal: AbortSignal): Promise<Http3Connected> {
    const config = (this.#config ??= this.#transport.configure({ alpn: ['h3'], maxDatagram: MAX_DATAGRAM, maxStreams: 0, identity: null, roots: this.#tls.roots }));
    let failure: unknown;
    for (const { address, port } of targets.slice(0, MAX_ATTEMPTS)) {
      const start = performance.now();
      try {
        const { connection, facts, peerCertificate } = await connectQuic(this.#transport, { ...names, address, port, config, maxDatagram: MAX_DATAGRAM, timeoutMs: PATIENCE, signal });
        const { alpn } = connection;
        const tls = { version: 'TLSv1.3', cipher: facts.cipher, alpn, client_certificate: null, peer_certificate: peerCertificate };
        return { connection, facts: { tls, alpn, httpVersion: '3', address, port, timing: { dns, connect: performance.now() - start, tls: null } } };
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }

  #isSilent(key: string): boolean {
    return (this.#silent.get(key) ?? 0) > performance.now();
  }

  #remember(key: string): void {
    this.#silent.delete(key);
    if (this.#silent.size >= MAX_ENTRIES) this.#silent.delete(this.#silent.keys().next().value!);
    this.#silent.set(key, performance.now() + LIFETIME);
  }
}

function keyOf({ host, address, port, tls }: Pick<LinkTarget, 'host' | 'address' | 'port' | 'tls'>): string {
  return `${host}|${address}|${port}|${tls?.serverName}`;
}
