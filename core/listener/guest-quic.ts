/** QUIC of a guest: an endpoint for each pair of addresses, on a socket of its own, while it has connections. */
import type { Socket } from 'node:dgram';
import type { Endpoint } from '../flow.ts';
import type { QuicArrival } from '../quic/arrival.ts';
import { QuicEndpoint } from '../quic/endpoint.ts';
import { IdentityConfigs } from '../quic/identity-configs.ts';
import type { QuicTransport } from '../quic/transport.ts';
import { UdpPort } from '../quic/udp-port.ts';

/** Bytes of a datagram that we send, where the client takes as many: no wire is between. */
const MAX_DATAGRAM = 16_000;
/** Connections of one pair of addresses. */
const MAX_CONNECTIONS = 64;
/** Hellos that are collected or decided on, of all pairs: each may hold as much as a large hello. */
const MAX_HELLOS = 512;
/** Milliseconds that a socket without a connection is kept, for late packets of the last one. */
const LINGER = 2_000;
/** HTTP/3's H3_NO_ERROR (RFC 9114, section 8.1). */
const NO_ERROR = 0x100;

export interface ServedPair {
  readonly receive: (datagram: Buffer) => void;
  readonly close: () => void;
}

export class GuestQuic {
  readonly #transport: QuicTransport;
  readonly #configs: IdentityConfigs;
  readonly #hellos = { count: 0, limit: MAX_HELLOS };

  constructor(transport: QuicTransport) {
    this.#transport = transport;
    this.#configs = new IdentityConfigs(transport, ['h3'], MAX_DATAGRAM);
  }

  /** @param events.onIdle its socket is closed. */
  serve(socket: Socket, from: Endpoint, to: Endpoint, events: { onArrival(arrival: QuicArrival): void; onIdle(): void }): ServedPair {
    let linger: NodeJS.Timeout | null = null;
    const close = (): void => {
      if (linger) clearTimeout(linger);
      endpoint.close(NO_ERROR);
    };
    const wait = (): void => {
      if (linger) clearTimeout(linger);
      linger = setTimeout(() => {
        if (endpoint.connections > 0) return;
        endpoint.close(NO_ERROR);
        events.onIdle();
      }, LINGER);
    };
    const endpoint = new QuicEndpoint({
      transport: this.#transport,
      configs: this.#configs,
      port: new UdpPort(socket, from, to),
      maxDatagram: MAX_DATAGRAM,
      maxConnections: MAX_CONNECTIONS,
      // The guest is the only one who can send here: its address needs no proof.
      retryAbove: Infinity,
      hellos: this.#hellos,
      onArrival: (arrival) => events.onArrival(arrival),
      onIdle: wait,
    });
    wait();
    return { receive: (datagram) => endpoint.receive(datagram, from), close };
  }
}
