/** A QUIC endpoint and a QUIC client of ours for tests, on loopback. */
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { CertificateAuthority } from '../../core/capture.ts';
import type { QuicArrival } from '../../core/quic/arrival.ts';
import { connectQuic, type SecuredQuic } from '../../core/quic/client.ts';
import type { QuicConnection, QuicEnd, QuicStream } from '../../core/quic/connection.ts';
import { QuicEndpoint, type EndpointOptions } from '../../core/quic/endpoint.ts';
import { IdentityConfigs } from '../../core/quic/identity-configs.ts';
import type { QuicKeyRelay } from '../../core/quic/key-relay.ts';
import { QuicTransport } from '../../core/quic/transport.ts';
import { UdpPort, addressOnlySocket } from '../../core/quic/udp-port.ts';

export const MAX_DATAGRAM = 1350;

export async function loadTransport(keys: QuicKeyRelay | null = null): Promise<QuicTransport> {
  const { transport, reason } = await QuicTransport.load(keys);
  if (transport === null) throw new Error(reason);
  return transport;
}

export async function udpSocket(address = '127.0.0.1', port = 0): Promise<Socket> {
  const socket = addressOnlySocket(address);
  const listening = once(socket, 'listening');
  socket.bind(port, address);
  await listening;
  return socket;
}

export interface QuicStage {
  readonly transport: QuicTransport;
  readonly authority: CertificateAuthority;
  readonly endpoint: QuicEndpoint;
  readonly port: number;
  readonly arrivals: QuicArrival[];
}

export interface Served {
  onConnection?(connection: QuicConnection, arrival: QuicArrival): void;
  onFailed?(end: QuicEnd, arrival: QuicArrival): void;
  /** In place of accepting. */
  onArrival?(arrival: QuicArrival): void;
}

/** An endpoint that accepts every client with a certificate for the name that it asks for. */
export async function openEndpoint(test: TestContext, served: Served = {}, options: Partial<EndpointOptions> = {}): Promise<QuicStage> {
  const transport = await loadTransport();
  const authority = CertificateAuthority.create('quic');
  const arrivals: QuicArrival[] = [];
  const port = new UdpPort(await udpSocket(), null);
  const endpoint = new QuicEndpoint({
    transport,
    configs: new IdentityConfigs(transport, ['h3'], MAX_DATAGRAM),
    port,
    maxDatagram: MAX_DATAGRAM,
    maxConnections: 1000,
    retryAbove: Infinity,
    onArrival: (arrival) => {
      arrivals.push(arrival);
      if (served.onArrival) return served.onArrival(arrival);
      arrival.accept(authority.identityFor(arrival.hello.sni ?? '127.0.0.1'), {
        onEstablished: (connection) => served.onConnection?.(connection, arrival),
        onFailed: (end) => served.onFailed?.(end, arrival),
      });
    },
    ...options,
  });
  test.after(() => endpoint.close(0));
  return { transport, authority, endpoint, port: port.local.port, arrivals };
}

export function connectTo(stage: Pick<QuicStage, 'transport' | 'authority'>, port: number, { serverName = 'a.test', roots = [stage.authority.certificate], host, timeoutMs = 10_000 }: { serverName?: string | null; roots?: string[]; host?: string; timeoutMs?: number } = {}): Promise<SecuredQuic> {
  const config = stage.transport.configure({ alpn: ['h3'], maxDatagram: MAX_DATAGRAM, maxStreams: 100, identity: null, roots });
  return connectQuic(stage.transport, { host: host ?? serverName ?? '127.0.0.1', serverName, address: '127.0.0.1', port, config, maxDatagram: MAX_DATAGRAM, timeoutMs, signal: new AbortController().signal });
}

/** Sends back what comes on every stream that a peer opens. */
export function echo(connection: QuicConnection): void {
  connection.attach({
    onStream: (stream) => {
      stream.attach({
        onData: (chunk) => {
          if (stream.isBidirectional && !stream.write(chunk)) stream.pause();
        },
        onEnd: () => stream.isBidirectional && stream.end(Buffer.from('.')),
        onReset: (code) => stream.isBidirectional && stream.reset(code),
        onStopSending: () => {},
        onDrain: () => stream.resume(),
      });
    },
    onStreamsAllowed: () => {},
    onClose: () => {},
  });
}

/** Sends bytes on a stream, ends it, and gives what came back. */
export function exchange(stream: QuicStream, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    stream.attach({
      onData: (chunk) => parts.push(chunk),
      onEnd: () => resolve(Buffer.concat(parts)),
      onReset: (code) => reject(new Error(`reset with ${code}`)),
      onStopSending: () => {},
      onDrain: () => {},
    });
    stream.end(bytes);
  });
}

/** A connection's end. Streams that its peer opens are taken and dropped. */
export function ended(connection: QuicConnection): Promise<QuicEnd> {
  return new Promise((resolve) => connection.attach({ onStream: () => {}, onStreamsAllowed: () => {}, onClose: resolve }));
}
