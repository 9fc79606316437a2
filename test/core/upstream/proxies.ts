/** Proxies of a company, on loopback, that lead every connection to one origin. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export async function started(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** Stands for every public server: says which way it was reached, at once, so that it shares a packet with the proxy's answer. */
export async function origin(t: TestContext): Promise<number> {
  return started(t, createServer((socket) => void socket.resume().end('hello from the origin')));
}

export interface Proxy {
  port: number;
  /** What it was asked to connect to. */
  asked: string[];
}

/** An HTTP proxy that leads every CONNECT to one server. */
export function httpProxy(server: ReturnType<typeof createHttpServer>, originPort: number, authorization?: string): string[] {
  const asked: string[] = [];
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    client.on('error', () => {});
    asked.push(request.url!);
    if (authorization !== undefined && request.headers['proxy-authorization'] !== authorization) {
      return client.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
    }
    const upstream = connect(originPort, '127.0.0.1');
    upstream.once('data', (chunk: Buffer) => {
      client.write(Buffer.concat([Buffer.from('HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n'), chunk]));
      upstream.pipe(client).pipe(upstream);
    });
  });
  return asked;
}

export async function plainProxy(t: TestContext, originPort: number, authorization?: string): Promise<Proxy> {
  const server = createHttpServer();
  const asked = httpProxy(server, originPort, authorization);
  return { port: await started(t, server), asked };
}

/** A SOCKS5 proxy (RFC 1928) that leads every CONNECT to one server, byte by byte in its answers. */
export async function socksProxy(t: TestContext, originPort: number, credentials?: string, reply = 0): Promise<Proxy> {
  const asked: string[] = [];
  const port = await started(t, createServer((client) => void serve(client).catch(() => client.destroy())));
  return { port, asked };

  async function serve(client: Socket): Promise<void> {
    const slowly = async (...bytes: number[]): Promise<void> => {
      for (const byte of bytes) {
        client.write(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const take = async (length: number): Promise<Buffer> => {
      for (;;) {
        const bytes = client.read(length) as Buffer | null;
        if (bytes) return bytes;
        await once(client, 'readable', { signal: AbortSignal.timeout(5_000) });
      }
    };
    const [, count] = await take(2);
    const methods = await take(count!);
    if (credentials !== undefined) {
      if (!methods.includes(2)) return void (await slowly(5, 255));
      await slowly(5, 2);
      const user = await take((await take(2))[1]!);
      const password = await take((await take(1))[0]!);
      const isKnown = `${user}:${password}` === credentials;
      await slowly(1, isKnown ? 0 : 1);
      if (!isKnown) return;
    } else await slowly(5, 0);
    const [, , , type] = await take(4);
    const host = type === 3 ? String(await take((await take(1))[0]!)) : type === 1 ? [...(await take(4))].join('.') : (await take(16)).toString('hex');
    asked.push(`${host}:${(await take(2)).readUInt16BE(0)}`);
    if (reply !== 0) return void (await slowly(5, reply, 0, 1, 0, 0, 0, 0, 0, 0));
    // A bound address given as a name is the longest form of the answer.
    await slowly(5, 0, 0, 3, 3, 97, 98, 99, 0, 80);
    const upstream = connect(originPort, '127.0.0.1');
    upstream.on('error', () => {});
    upstream.pipe(client).pipe(upstream);
  }
}
