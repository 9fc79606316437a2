/** An upstream of the tests: HTTP/1.1 and HTTP/2, with TLS or without, on loopback. It notes what reaches it. */
import { once } from 'node:events';
import { createServer as createPlainServer } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerIdentity } from './certificates.ts';

export type OriginRequest = IncomingMessage | Http2ServerRequest;
export type OriginResponse = ServerResponse | Http2ServerResponse;
export type Handler = (request: OriginRequest, response: OriginResponse) => void | Promise<void>;

/** A request as the origin saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly httpVersion: string;
  readonly authority: string;
  readonly sni: string | null;
}

export class Origin {
  /** TCP connections that were opened to it. */
  connections = 0;
  /** Bytes that came over them, TLS included. */
  bytes = 0;
  readonly seen: Seen[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.bytes += socket.bytesRead;
      });
    });
  }

  /** Without `identity`, plain HTTP/1.1. */
  static async open(handler: Handler, identity: ServerIdentity | null = null): Promise<Origin> {
    let origin: Origin | null = null;
    const listener = (request: OriginRequest, response: OriginResponse): void => {
      origin!.#note(request);
      Promise.resolve(handler(request, response)).catch((error: unknown) => {
        console.error(error);
        request.destroy();
      });
    };
    const server = identity ? createSecureServer({ key: identity.key, cert: identity.cert, allowHTTP1: true }, listener as never) : createPlainServer(listener as never);
    origin = new Origin(server);
    server.on('sessionError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return origin;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** As a pin of `interceptor.hosts`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #note(request: OriginRequest): void {
    const socket = ('stream' in request && request.httpVersionMajor === 2 ? request.stream.session?.socket : request.socket) as TLSSocket;
    const authority = request.headers[':authority'] ?? request.headers.host ?? '';
    this.seen.push({ method: request.method!, path: request.url!, httpVersion: request.httpVersion, authority: String(authority), sni: socket.servername || null });
  }
}

/** The whole body of a request. */
export async function bodyOf(request: OriginRequest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Answers with what was asked: method, path and the length of the body. */
export const echo: Handler = async (request, response) => {
  const body = await bodyOf(request);
  response.setHeader('content-type', 'text/plain');
  response.end(`${request.method} ${request.url} ${body.length}\n`);
};
