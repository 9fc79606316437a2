/**
 * The ports of a job: on the host's loopback a listener for each, whose connections are joined to the guest that runs at
 * the time. As with Docker a connection to a port where the guest does not listen (yet) is accepted, and reset.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { MentuError, hostInUrl } from '../../core/index.ts';
import { splice } from '../../core/relay/splice.ts';
import type { Guest, PortForward } from '../../plugins/engines/engine.ts';

const LOOPBACK = ['127.0.0.1', '::1'] as const;
/** Where the machine has no IPv6, its loopback is the IPv4 one alone. */
const NO_FAMILY = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);
/** Milliseconds in which the last bytes of a guest that has ended may reach who asked for them. */
const DRAIN_MS = 1000;

export class PortListeners {
  /** The guest that connections go to; null where none runs. */
  guest: Pick<Guest, 'connect'> | null = null;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #idle: (() => void) | null = null;

  /** Throws `port_taken` where one of them cannot be had; then none is. */
  static async open(forwards: readonly PortForward[]): Promise<PortListeners> {
    const listeners = new PortListeners();
    try {
      for (const forward of forwards) for (const address of LOOPBACK) await listeners.#listen(address, forward);
    } catch (error) {
      await listeners.close();
      throw error;
    }
    return listeners;
  }

  /** Takes no more connections, and ends those that are open once what was sent has arrived. */
  async close(): Promise<void> {
    const closed = this.#servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve)));
    if (this.#sockets.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      const late = setTimeout(resolve, DRAIN_MS);
      await promise;
      clearTimeout(late);
    }
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  async #listen(address: string, { host, guest }: PortForward): Promise<void> {
    // A side that has said all may still have to hear: half a connection is one.
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => void this.#serve(socket, guest));
    server.listen(host, address);
    try {
      await once(server, 'listening');
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (address !== LOOPBACK[0] && NO_FAMILY.has(code ?? '')) return;
      const reason = code === 'EADDRINUSE' ? 'another program listens there' : code === 'EACCES' ? 'this user may not' : message;
      throw new MentuError('port_taken', { address: `${hostInUrl(address)}:${host}`, reason }, { cause });
    }
    server.on('error', () => {}); // of one connection that could not be accepted
    this.#servers.push(server);
  }

  async #serve(client: Socket, port: number): Promise<void> {
    this.#hold(client);
    const { guest } = this;
    let inner: Socket;
    try {
      if (!guest) throw new Error('no guest runs');
      inner = await guest.connect(port);
    } catch {
      return void client.resetAndDestroy();
    }
    if (client.destroyed) return void inner.destroy();
    this.#hold(inner);
    inner.setNoDelay(true);
    // A reset is no end: who waits for more must not take what came for the whole.
    inner.once('error', () => client.resetAndDestroy());
    client.once('error', () => inner.resetAndDestroy());
    splice(client, inner, 'the guest', { up: 0, down: 0 }, () => {});
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#idle?.();
    });
  }
}
