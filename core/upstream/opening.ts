/** Opens one connection to an upstream: dialled, and secured where it is to be. */
import type { ClientHello } from '../flow.ts';
import { canonicalHost } from '../names/host.ts';
import type { QuicConnection } from '../quic/connection.ts';
import type { UpstreamRecord } from '../record.ts';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import { CertificateDemand, type UnprovenConnection } from './certificate-demand.ts';
import type { Dialled, UpstreamDialler } from './dialler.ts';

export interface LinkTarget {
  /** Canonical name or address: what is resolved and vetted. */
  readonly host: string;
  /** The address to dial instead of the name's own; null resolves `host`. */
  readonly address: string | null;
  readonly port: number;
  readonly tls: { readonly serverName: string | null; readonly hello: ClientHello | null; readonly alpn: readonly string[] } | null;
  /** Plain HTTP/2 with prior knowledge (RFC 9113, section 3.3). */
  readonly http2: boolean;
  /** Where the client came by HTTP/3: the way that is tried before TCP. */
  readonly http3?: Http3Way | null;
}

/** The way to upstreams that speak HTTP/3. */
export interface Http3Way {
  /** Null where there is none to this upstream. Rejects with the signal's reason only. */
  connect(target: LinkTarget, signal: AbortSignal): Promise<{ readonly connection: QuicConnection; readonly facts: LinkFacts } | null>;
  /** A connection stood and failed all the same, as where the server did not like our certificate: there is no way for a while. */
  avoid(target: LinkTarget): void;
}

/** What is known of a connection once it stands; times in milliseconds. */
export interface LinkFacts {
  readonly tls: UpstreamRecord['tls'];
  readonly alpn: string | null;
  readonly httpVersion: '1.1' | '2' | '3';
  readonly address: string;
  readonly port: number;
  readonly timing: { readonly dns: number | null; readonly connect: number; readonly tls: number | null };
}

/** A connection that nothing was sent on yet. */
export interface Opened {
  readonly dialled: Dialled;
  readonly facts: LinkFacts;
  /** Until the server has answered, where it may still refuse us for our certificate. */
  readonly unproven: UnprovenConnection | null;
}

export async function openConnection(target: LinkTarget, dialler: UpstreamDialler, upstreamTls: UpstreamTls, signal: AbortSignal): Promise<Opened> {
  const { host, address, port, tls: wanted } = target;
  const dial = (): Promise<Dialled> => dialler.dial({ host, address, port, signal });
  const dialled = await dial();
  const start = performance.now();
  const tlsTarget = wanted && { dialled: host, host: identity(wanted.serverName, host), serverName: wanted.serverName, port, hello: wanted.hello, alpn: wanted.alpn, signal };
  const demand = tlsTarget && new CertificateDemand(host, async () => upstreamTls.inquire((await dial()).socket, tlsTarget));
  const secured = tlsTarget && (await upstreamTls.handshake(dialled.socket, tlsTarget).catch(async (error: unknown) => Promise.reject(await demand!.explain(error))));
  const socket = secured?.tls ?? dialled.socket;
  // An error before anybody listens must not end the process.
  socket.on('error', () => {});
  const tls = secured?.record ?? dialled.tls ?? null;
  const alpn = tls?.alpn ?? null;
  const facts: LinkFacts = {
    tls,
    alpn,
    httpVersion: alpn === 'h2' || target.http2 ? '2' : '1.1',
    address: dialled.address,
    port: dialled.port,
    timing: { dns: dialled.timing.dns, connect: dialled.timing.connect, tls: secured ? performance.now() - start : (dialled.timing.tls ?? null) },
  };
  return { dialled: { ...dialled, socket }, facts, unproven: (secured && demand?.watch(secured)) ?? null };
}

/** The name that the certificate must be valid for: what the client asks for, where that is a name at all. */
export function identity(serverName: string | null, host: string): string {
  return (serverName && canonicalHost(serverName)) ?? host;
}

