/** A connection of a client to one destination: what hooks see of it, what they decided, and the way upstream. */
import type { TLSSocket } from 'node:tls';
import type { MentuError } from '../errors.ts';
import type { ClientHello, Connection, Destination, Endpoint } from '../flow.ts';
import type { Verdict } from '../decision.ts';
import type { ClientCertificateRecord } from '../record-parts.ts';
import type { ClientTlsRecord } from '../record.ts';
import type { UpstreamLink } from '../upstream/link.ts';

export class CapturedConnection implements Connection {
  readonly id: string;
  /** The plugin whose tap runs, or ran last. */
  tappedBy = '';
  readonly client: Endpoint;
  readonly destination: Destination;
  /** Date.now() and performance.now() of the first byte. */
  readonly startedAt = Date.now();
  readonly started = performance.now();
  protocol: Connection['protocol'] = 'raw';
  clientHello: ClientHello | null = null;
  pinned = false;
  allowance: Verdict | undefined = undefined;
  readonly annotations: Record<string, Record<string, unknown>> = {};
  /** A denial, an answer or a passthrough that holds for all of the connection. */
  verdict: Verdict | undefined = undefined;
  /** Why the upstream could not be reached when the connection was made. */
  failure: MentuError | undefined = undefined;
  /** True where `failure` is that the client has not shown who it is: no plugin's answer is for it either. */
  isClientRefused = false;
  link: UpstreamLink | null = null;
  /** True where the client can reach us by HTTP/3 as well. */
  servesHttp3 = false;
  /** Flows made so far. A connection without any is recorded as one by itself. */
  flows = 0;
  #tlsRecord: ClientTlsRecord | null = null;

  constructor(id: string, client: Endpoint, destination: Destination) {
    this.id = id;
    this.client = client;
    this.destination = destination;
  }

  /** The name that stands for the destination: its own, or the address. */
  get host(): string {
    return this.destination.name ?? this.destination.address ?? this.clientHello?.sni ?? '';
  }

  get tlsRecord(): ClientTlsRecord | null {
    if (this.#tlsRecord || !this.clientHello) return this.#tlsRecord;
    return { ...ofHello(this.clientHello), version: null, cipher: null, alpn: null, client_certificate: null };
  }

  /** Notes what the handshake with the client agreed on. */
  agreed(facts: Pick<ClientTlsRecord, 'version' | 'cipher' | 'alpn'>): void {
    this.#tlsRecord = { ...ofHello(this.clientHello!), ...facts, client_certificate: null };
  }

  /** The same of a socket. It must be done at once: a socket that is gone tells nothing. */
  secured(tls: TLSSocket, certificate: ClientCertificateRecord | null = null): void {
    const version = tls.getProtocol();
    this.#tlsRecord = { ...ofHello(this.clientHello!), version, cipher: tls.getCipher().standardName, alpn: tls.alpnProtocol || null, client_certificate: certificate };
  }
}

function ofHello({ sni, ja4, ech }: ClientHello): Pick<ClientTlsRecord, 'sni' | 'ja4' | 'ech'> {
  return { sni, ja4, ech: ech ? 'present' : 'absent' };
}
