/** The servers that the demo's job meets: on loopback, on ports that were free, with certificates of a CA of their own. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { CertificateAuthority } from '../../core/capture.ts';
import { createRepository, serveGit } from './git-repository.ts';

const ORDERS = [
  { id: 1, item: 'rope', count: 3 },
  { id: 2, item: 'compass', count: 1 },
];
const PRICES = 'item,price\nrope,12.50\ncompass,31.00\nlantern,24.90\n';

export class Origins {
  readonly #authority = CertificateAuthority.create('demo origins');
  readonly #both = fastify({ http2: true, https: { allowHTTP1: true, ...this.#certificates() }, forceCloseConnections: true });
  readonly #http1 = fastify({ https: this.#certificates(), forceCloseConnections: true });
  readonly #visits = new Map<string, number>();

  /** @param folder an empty one, for the repository. */
  static async start(folder: string): Promise<Origins> {
    const origins = new Origins();
    origins.#serveOrders();
    origins.#serveFiles();
    origins.#serveRepository(folder);
    await Promise.all([origins.#both, origins.#http1].map((server) => server.listen({ host: '127.0.0.1', port: 0 })));
    return origins;
  }

  /** PEM of the CA that signed all of them. */
  get authority(): string {
    return this.#authority.certificate;
  }

  /** Where each name leads: name → `address:port`. The tracker leads to a server too, so that its silence proves something. */
  get hosts(): Readonly<Record<string, string>> {
    const both = placeOf(this.#both.server.address());
    const http1 = placeOf(this.#http1.server.address());
    return { 'api.demo.test': both, 'files.demo.test': http1, 'git.demo.test': http1, 'tracker.demo.test': http1 };
  }

  /** Requests that reached a server under this name. */
  visitsOf(host: string): number {
    return this.#visits.get(host) ?? 0;
  }

  async close(): Promise<void> {
    await Promise.all([this.#both.close(), this.#http1.close()]);
  }

  #certificates() {
    return { SNICallback: (name: string, done: (error: null, context: ReturnType<CertificateAuthority['contextFor']>) => void) => done(null, this.#authority.contextFor(name)) };
  }

  #count(host: string): void {
    this.#visits.set(host, this.visitsOf(host) + 1);
  }

  #serveOrders(): void {
    this.#both.addHook('onRequest', async ({ hostname }) => this.#count(hostname));
    this.#both.get('/orders', async () => ORDERS);
    this.#both.post('/orders', async ({ body }, reply) => reply.code(201).send({ id: ORDERS.length + 1, ...(body as object) }));
  }

  #serveFiles(): void {
    this.#http1.addHook('onRequest', async ({ hostname }) => this.#count(hostname));
    this.#http1.get('/prices.csv', { constraints: { host: 'files.demo.test' } }, async (_request, reply) => reply.type('text/csv').send(PRICES));
  }

  #serveRepository(folder: string): void {
    mkdirSync(folder, { recursive: true });
    createRepository(join(folder, 'handbook.git'), 'Write down how orders are filled', {
      'README.md': '# Handbook\n\nHow orders are filled.\n',
      'packing.md': 'Heavy things at the bottom.\n',
    });
    // Bodies go on to git as they come.
    this.#http1.addContentTypeParser('*', (_request, _payload, done) => done(null));
    this.#http1.route({
      method: ['GET', 'POST'],
      url: '/handbook.git/*',
      constraints: { host: 'git.demo.test' },
      handler: async ({ raw, method }: FastifyRequest, reply: FastifyReply) => {
        const [path = '', query = ''] = raw.url!.split('?', 2);
        const answer = await serveGit(folder, { method, path, query, headers: raw.headers, body: raw });
        return reply.code(answer.status).headers(answer.headers).send(answer.body);
      },
    });
  }
}

function placeOf(address: AddressInfo | string | null): string {
  return `127.0.0.1:${(address as AddressInfo).port}`;
}
