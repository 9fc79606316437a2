/** An origin of server-sent events that sends each event only after the client has acknowledged the one before. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { OriginFiles } from './certificates.ts';

export class SseOrigin {
  readonly port: number;
  readonly #server: Server;
  /** When the event under way was written, by `performance.now()`. */
  sentAt = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
    let stream: ServerResponse | null = null;
    let sequence = 0;
    const send = (): void => {
      this.sentAt = performance.now();
      stream?.write(`id: ${sequence++}\ndata: {"mark":"one of many"}\n\n`);
    };
    server.on('request', (request, response) => {
      if (request.url === '/events') {
        stream = response;
        sequence = 0;
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
        send();
      } else if (request.url === '/acknowledge') {
        request.resume().on('end', () => {
          response.writeHead(204).end();
          send();
        });
      } else {
        stream?.end();
        response.writeHead(204).end();
      }
    });
  }

  static async start(files: OriginFiles): Promise<SseOrigin> {
    const server = createServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key), noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new SseOrigin(server);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
