/** Clients of HTTP/3 outside of a guest: one UDP port, which stands for whatever name a client asks for. */
import type { Destination } from '../flow.ts';
import { CONNECTION_REFUSED, type QuicArrival } from '../quic/arrival.ts';
import { QuicEndpoint } from '../quic/endpoint.ts';
import { IdentityConfigs } from '../quic/identity-configs.ts';
import type { QuicTransport } from '../quic/transport.ts';
import type { UdpPort } from '../quic/udp-port.ts';

const HTTPS_PORT = 443;
/** Bytes of a datagram that we send, where the client takes as many. */
const MAX_DATAGRAM = 1350;
/** So many handshakes at once make new clients prove their address first. */
const RETRY_ABOVE = 64;

export interface Http3ListenerOptions {
  readonly transport: QuicTransport;
  readonly port: UdpPort;
  readonly maxConnections: number;
  readonly accept: (arrival: QuicArrival, destination: Destination) => void;
}

export class Http3Listener {
  readonly #endpoint: QuicEndpoint;

  constructor({ transport, port, maxConnections, accept }: Http3ListenerOptions) {
    this.#endpoint = new QuicEndpoint({
      transport,
      configs: new IdentityConfigs(transport, ['h3'], MAX_DATAGRAM),
      port,
      maxDatagram: MAX_DATAGRAM,
      maxConnections,
      retryAbove: RETRY_ABOVE,
      onArrival: (arrival) => {
        const { sni } = arrival.hello;
        if (sni === null) return arrival.refuse(CONNECTION_REFUSED, 'no server name');
        accept(arrival, { name: sni, address: null, port: HTTPS_PORT });
      },
    });
  }

  close(): void {
    this.#endpoint.close(0x100);
  }
}
