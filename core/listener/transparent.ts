/** Takes the connections of a listener whose sockets carry their original destination as their local address. */
import type { Server, Socket } from 'node:net';
import type { Destination } from '../flow.ts';
import { socketAddress } from '../names/host.ts';

/** The name behind an address, as our DNS answered it. */
export interface NameBook {
  nameOf(address: string): string | null;
}

export type Accept = (socket: Socket, destination: Destination) => void;

export class TransparentListener {
  readonly #server: Server;
  readonly #onConnection: (socket: Socket) => void;

  /** The server already listens; it is not closed with the listener, for it belongs to who made it. */
  constructor(server: Server, names: NameBook, accept: Accept) {
    this.#server = server;
    // The client's side may end while we still answer: what to make of that is for the protocol to say.
    Object.assign(server, { allowHalfOpen: true, noDelay: true });
    this.#onConnection = (socket) => {
      const address = socketAddress(socket.localAddress ?? '');
      accept(socket, { name: names.nameOf(address), address, port: socket.localPort ?? 0 });
    };
    server.on('connection', this.#onConnection);
  }

  /** From here on connections are refused, until the server's owner closes it. */
  close(): void {
    this.#server.off('connection', this.#onConnection);
    this.#server.on('connection', (socket) => socket.destroy());
  }
}
