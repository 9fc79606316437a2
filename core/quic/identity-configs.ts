/** The transport's settings for each certificate that we show: making them costs a key's parsing, so the last ones are kept. */
import type { Identity } from './arrival.ts';
import type { QuicTransport, TransportConfig } from './transport.ts';

const MAX_KEPT = 256;
/** Streams of requests that one connection may have open. */
const MAX_STREAMS = 256;

export class IdentityConfigs {
  readonly #transport: QuicTransport;
  readonly #alpn: readonly string[];
  readonly #maxDatagram: number;
  readonly #kept = new Map<string, TransportConfig>();

  constructor(transport: QuicTransport, alpn: readonly string[], maxDatagram: number) {
    this.#transport = transport;
    this.#alpn = alpn;
    this.#maxDatagram = maxDatagram;
  }

  for(identity: Identity): TransportConfig {
    const { certificate } = identity;
    const known = this.#kept.get(certificate);
    if (known) return known;
    const config = this.#transport.configure({ alpn: this.#alpn, maxDatagram: this.#maxDatagram, maxStreams: MAX_STREAMS, identity, roots: null });
    if (this.#kept.size >= MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(certificate, config);
    return config;
  }
}
