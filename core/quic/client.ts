/** QUIC to an upstream: a connected UDP socket, the certificate verified, and what the handshake showed. */
import { X509Certificate, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIP, isIPv6 } from 'node:net';
import { MentuError } from '../errors.ts';
import type { PeerCertificateRecord } from '../record-parts.ts';
import { certificateRecord } from '../tls/certificate-record.ts';
import type { HandshakeFacts } from './arrival.ts';
import type { QuicConnection, QuicEnd } from './connection.ts';
import { LiveConnection } from './live-connection.ts';
import { ServerSight } from './server-hello.ts';
import type { QuicTransport, TransportConfig } from './transport.ts';
import { UdpPort } from './udp-port.ts';

const ID_LENGTH = 16;
/** Alerts by which we, or the other side, turn a certificate down (RFC 9001, section 4.8; RFC 8446, section 6). */
const ALERT = { first: 0x100, last: 0x1ff, badCertificate: 0x12a } as const;
const CERTIFICATE_ALERTS: ReadonlySet<number> = new Set([42, 43, 44, 45, 46, 48]);

export interface QuicTarget {
  /** The name or address that the certificate must be valid for, and that errors call the upstream. */
  readonly host: string;
  /** The server name to send; null sends none. */
  readonly serverName: string | null;
  /** Vetted. */
  readonly address: string;
  readonly port: number;
  readonly config: TransportConfig;
  readonly maxDatagram: number;
  /** Milliseconds for the handshake. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface SecuredQuic {
  readonly connection: QuicConnection;
  readonly facts: HandshakeFacts;
  readonly peerCertificate: PeerCertificateRecord | null;
}

/** Rejects with `connect_failed`, `upstream_certificate_invalid`, `upstream_tls_failed`, or the signal's reason. */
export async function connectQuic(transport: QuicTransport, target: QuicTarget): Promise<SecuredQuic> {
  target.signal.throwIfAborted();
  const port = new UdpPort(await connected(target), target);
  return new Promise((resolve, reject) => {
    try {
      new Handshake(transport, port, target, resolve, reject).start();
    } catch (cause) {
      // Such as a server name that the transport does not take.
      port.close();
      const { host, address } = target;
      reject(new MentuError('connect_failed', { host, address, reason: cause instanceof Error ? cause.message : String(cause) }, { cause }));
    }
  });
}

async function connected({ address, port, host }: QuicTarget): Promise<Socket> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, address, () => resolve());
    });
  } catch (cause) {
    socket.close();
    throw new MentuError('connect_failed', { host, address, reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
  socket.removeAllListeners('error');
  return socket;
}

class Handshake {
  readonly #target: QuicTarget;
  readonly #port: UdpPort;
  readonly #connection: LiveConnection;
  readonly #timer: NodeJS.Timeout;
  readonly #resolve: (secured: SecuredQuic) => void;
  readonly #reject: (reason: unknown) => void;
  #settled = false;

  constructor(transport: QuicTransport, port: UdpPort, target: QuicTarget, resolve: (secured: SecuredQuic) => void, reject: (reason: unknown) => void) {
    this.#target = target;
    this.#port = port;
    this.#resolve = resolve;
    this.#reject = reject;
    const peer = { address: target.address, port: target.port };
    const name = target.serverName !== null && !isIP(target.serverName) ? target.serverName : null;
    const machine = transport.connect(target.config, name, randomBytes(ID_LENGTH), port.local, peer);
    const sight = new ServerSight();
    this.#connection = new LiveConnection(machine, {
      role: 'client',
      maxDatagram: target.maxDatagram,
      send: (slab, offset, length) => {
        if (sight.isWanted) sight.sent(slab.subarray(offset, offset + length));
        port.send(slab, offset, length, peer);
      },
      onEstablished: () => this.#established(machine.peerCertificates, sight.facts),
      onFailed: (end) => this.#fail(failureOf(end, target)),
      onGone: () => port.close(),
    });
    port.listen((datagram) => {
      if (sight.isWanted) sight.received(datagram);
      this.#connection.receive(datagram);
    });
    this.#timer = setTimeout(() => this.#fail(this.#unreachable(`no answer within ${target.timeoutMs / 1000} s`)), target.timeoutMs);
  }

  start(): void {
    this.#target.signal.addEventListener('abort', this.#aborted, { once: true });
    // Only until the connection stands: later an ICMP error may be anybody's.
    this.#port.onRefused((error) => this.#fail(this.#unreachable(error.message)));
    this.#connection.wake();
  }

  readonly #aborted = (): void => this.#fail(this.#target.signal.reason);

  #unreachable(reason: string): MentuError {
    const { host, address } = this.#target;
    return new MentuError('connect_failed', { host, address, reason });
  }

  #established(chain: readonly Uint8Array[], facts: HandshakeFacts): void {
    if (this.#settled) return;
    const { host } = this.#target;
    const leaf = chain.length > 0 ? new X509Certificate(chain[0]!) : null;
    if (leaf === null) return this.#fail(new MentuError('upstream_tls_failed', { host, reason: 'it showed no certificate' }));
    const isValid = isIP(host) ? leaf.checkIP(host) : leaf.checkHost(host);
    if (isValid === undefined) {
      const names = leaf.subjectAltName ?? 'none';
      return this.#fail(new MentuError('upstream_certificate_invalid', { host, reason: `it is not valid for ${host}; its names: ${names}` }), ALERT.badCertificate);
    }
    this.#settle();
    this.#resolve({ connection: this.#connection, facts, peerCertificate: certificateRecord(leaf) });
  }

  #fail(error: unknown, code = 0): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
    this.#connection.abort(code, '');
    this.#connection.leave();
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#target.signal.removeEventListener('abort', this.#aborted);
  }
}

/** What the end of a handshake, or of a connection that stands just now, says of the upstream. */
export function failureOf(end: QuicEnd, { host, address }: Pick<QuicTarget, 'host' | 'address'>): MentuError {
  const alert = !end.isApplication && end.code >= ALERT.first && end.code <= ALERT.last ? end.code - ALERT.first : null;
  const reason = end.reason || (alert === null ? `the connection was closed with code ${end.code}` : `TLS alert ${alert}`);
  if (alert !== null && CERTIFICATE_ALERTS.has(alert)) return new MentuError('upstream_certificate_invalid', { host, reason });
  if (alert !== null) return new MentuError('upstream_tls_failed', { host, reason });
  return new MentuError('connect_failed', { host, address, reason });
}
