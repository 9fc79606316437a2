/** A UDP socket as QUIC uses it: connected to one peer, or open to any. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Endpoint } from '../flow.ts';
import { socketAddress } from '../names/host.ts';

/** What the kernel may hold for us; it gives as much of it as the system allows. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

export class UdpPort {
  readonly local: Endpoint;
  /** Null where the socket takes datagrams of anyone. */
  readonly peer: Endpoint | null;
  readonly #socket: Socket;
  readonly #isV6: boolean;
  #closed = false;

  /** The socket is bound, and connected where a peer is given. It belongs to the port from here on. @param local stands for its own address. */
  constructor(socket: Socket, peer: Endpoint | null, local?: Endpoint) {
    this.#socket = socket;
    this.peer = peer;
    const own = socket.address();
    this.local = local ?? { address: socketAddress(own.address), port: own.port };
    this.#isV6 = own.family === 'IPv6';
    socket.on('error', () => {});
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER);
      socket.setSendBufferSize(RECEIVE_BUFFER);
    } catch {
      // The socket works with what it has.
    }
  }

  listen(onDatagram: (datagram: Buffer, from: Endpoint) => void): void {
    this.#socket.on('message', (datagram, { address, port }) => {
      onDatagram(datagram, this.peer ?? { address: socketAddress(address), port });
    });
  }

  /** A connected socket reports here that nobody listens at the other end. */
  onRefused(refused: (error: Error) => void): void {
    this.#socket.on('error', refused);
  }

  send(bytes: Buffer, offset: number, length: number, to: Endpoint): void {
    if (this.#closed) return;
    if (this.peer) this.#socket.send(bytes, offset, length, this.#sent);
    else this.#socket.send(bytes, offset, length, to.port, this.#isV6 && !isIPv6(to.address) ? `::ffff:${to.address}` : to.address, this.#sent);
  }

  /** A datagram that cannot be sent is lost, as any may be; on a connected socket it tells that nobody is there. */
  readonly #sent = (error: Error | null): void => {
    if (error && this.peer && !this.#closed) this.#socket.emit('error', error);
  };

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#socket.close();
    } catch {
      // It is closed already.
    }
  }
}

/** A socket that sends to addresses alone: no look-up, so no detour through the resolver's callback. Its bind calls back at once. */
export function addressOnlySocket(address: string): Socket {
  const lookup = (name: string, _options: unknown, done: (error: null, address: string, family: number) => void): void => done(null, name, isIPv6(name) ? 6 : 4);
  return createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', lookup: lookup as never });
}
