/** Looks on while TLS is relayed: what the server's first flight shows, and when the handshake was over. Nothing is held, and after the handshake nothing looked at. */
import { X509Certificate } from 'node:crypto';
import type { RecordPart } from '../flows/record-part.ts';
import type { ClientHello } from '../flow.ts';
import type { PeerCertificateRecord, RecordParts } from '../record-parts.ts';
import { certificateRecord } from '../tls/certificate-record.ts';
import { cipherName, versionName } from '../tls/cipher-suites.ts';
import { CONTENT, RecordLayer } from '../tls/record-layer.ts';
import { ServerFlight, TLS13 } from '../tls/server-flight.ts';
import type { SpliceTap } from './splice.ts';

/** Bytes of either side that are looked at. */
const MAX_BYTES = 256 * 1024;

export class HandshakeWatch implements SpliceTap, RecordPart {
  onDrain: SpliceTap['onDrain'] = null;
  readonly #hello: ClientHello;
  readonly #flight = new ServerFlight();
  readonly #layers: Readonly<Record<'client' | 'server', RecordLayer>>;
  readonly #changed = new Set<'client' | 'server'>();
  #started = 0;
  #seen = 0;
  #over = false;
  #took: number | null = null;

  constructor(hello: ClientHello) {
    this.#hello = hello;
    const layer = (from: 'client' | 'server') => new RecordLayer({ onRecord: (type) => this.#record(from, type), onFragment: () => {} });
    this.#layers = { client: layer('client'), server: layer('server') };
  }

  /** Milliseconds from the hello to the end of the handshake, as far as that is visible. */
  get took(): number | null {
    return this.#took;
  }

  /** The upstream stands, and the client's hello goes out to it. */
  begin(): void {
    this.#started = performance.now();
  }

  pass(from: 'client' | 'server', chunk: Buffer): boolean {
    if (this.#over) return true;
    if (from === 'server') this.#flight.push(chunk);
    this.#layers[from].push(chunk);
    this.#seen += chunk.length;
    if (this.#seen > MAX_BYTES || this.#layers[from].isBroken) this.#over = true;
    return true;
  }

  /** Up to TLS 1.2 both sides say when they begin to encrypt; in TLS 1.3 what the client encrypts first is its end of the handshake. */
  #record(from: 'client' | 'server', type: number): void {
    const { version } = this.#flight;
    if (this.#over || version === null) return;
    if (type === CONTENT.changeCipherSpec) this.#changed.add(from);
    const isDone = version === TLS13 ? from === 'client' && type === CONTENT.applicationData : this.#changed.size === 2;
    if (!isDone) return;
    this.#took = performance.now() - this.#started;
    this.#over = true;
  }

  finish(done: (parts: RecordParts) => void): void {
    const { versions, alpn, ech } = this.#hello;
    const { version, cipher, alpn: chosen, certificate } = this.#flight;
    done({
      passthrough: {
        offered_versions: versions.map(versionName),
        offered_alpn: [...alpn],
        ech: ech ? 'present' : 'absent',
        version: version === null ? null : versionName(version),
        cipher: cipher === null ? null : cipherName(cipher),
        alpn: chosen,
        peer_certificate: certificate && shown(certificate),
      },
    });
  }
}

/** What came by may be anything. */
function shown(der: Buffer): PeerCertificateRecord | null {
  try {
    return certificateRecord(new X509Certificate(der));
  } catch {
    return null;
  }
}
