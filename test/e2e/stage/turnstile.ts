/** Stands before a real server, counts who comes and what they bring, over TCP and UDP, and lets all of it through. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** The port of TCP may be taken for UDP. */
const TRIES = 10;

export class Turnstile {
  connections = 0;
  datagrams = 0;
  /** Of clients, by TCP and UDP together. */
  bytes = 0;
  readonly #server: Server;
  readonly #udp: UdpSocket;
  readonly #sockets = new Set<Socket>();
  readonly #pairs = new Map<number, UdpSocket>();

  private constructor(server: Server, udp: UdpSocket, target: number) {
    this.#server = server;
    this.#udp = udp;
    server.on('connection', (client) => this.#pass(client, target));
    udp.on('message', (datagram, { port }) => this.#relay(datagram, port, target));
  }

  /** @param address of the server, on loopback. */
  static async before(address: string): Promise<Turnstile> {
    const target = Number(address.split(':').at(-1));
    for (let tries = 1; ; tries++) {
      const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const udp = createSocket('udp4');
      try {
        udp.bind((server.address() as AddressInfo).port, '127.0.0.1');
        await once(udp, 'listening');
        return new Turnstile(server, udp, target);
      } catch (error) {
        server.close();
        udp.close();
        if (tries === TRIES) throw error;
      }
    }
  }

  /** As a pin of `interceptor.hosts`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get seen(): { connections: number; datagrams: number; bytes: number } {
    return { connections: this.connections, datagrams: this.datagrams, bytes: this.bytes };
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    for (const socket of [this.#udp, ...this.#pairs.values()]) socket.close();
    await closed;
  }

  #pass(client: Socket, target: number): void {
    this.connections++;
    const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    client.on('data', (chunk: Buffer) => (this.bytes += chunk.length));
    client.pipe(server).pipe(client);
    for (const [socket, other] of [[client, server], [server, client]] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }

  #relay(datagram: Buffer, from: number, target: number): void {
    this.datagrams++;
    this.bytes += datagram.length;
    let pair = this.#pairs.get(from);
    if (!pair) {
      this.#pairs.set(from, (pair = createSocket('udp4')));
      pair.on('message', (answer) => this.#udp.send(answer, from, '127.0.0.1'));
      pair.on('error', () => undefined);
    }
    pair.send(datagram, target, '127.0.0.1');
  }
}
