/** Exchanges of HTTP/3 from end to end: what passes, and how it ends. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import type { ClientEvents, ClientExchange } from '../../../core/exchange.ts';
import { Headers } from '../../../core/headers.ts';
import type { FlowRecord } from '../../../core/index.ts';
import type { Http3Client } from '../../../core/http3/client.ts';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Http3Origin, ask, http3Client, listenHttp3 } from '../../stage/http3.ts';
import { soon, until } from '../../stage/wire.ts';

const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const head = (status: number, raw: string[] = [], hasBody = true) => ({ status, statusText: '', httpVersion: '3', headers: new Headers(raw), hasBody });

interface Served extends Partial<ClientEvents> {
  /** The request is whole. */
  whole?(body: Buffer, trailers: Headers | null): void;
}

/** Takes an exchange of an origin, and says when its request is whole. */
function take(exchange: ClientExchange, served: Served): void {
  const chunks: Buffer[] = [];
  exchange.attach({
    onRequestData: (chunk) => void chunks.push(chunk),
    onRequestEnd: (trailers) => served.whole?.(Buffer.concat(chunks), trailers),
    onClientAbort: () => {},
    onClientHalfClose: () => {},
    onClientError: () => {},
    onClientDrain: () => {},
    ...served,
  });
  exchange.start();
  if (!exchange.head.hasBody) served.whole?.(Buffer.alloc(0), null);
}

interface Scene {
  readonly stage: Stage;
  readonly client: Http3Client;
  readonly origin: Http3Origin;
  readonly port: number;
}

async function scene(onExchange: (exchange: ClientExchange) => void, act: (scene: Scene) => Promise<void>, options: StageOptions = {}): Promise<void> {
  await using origin = await Http3Origin.open(onExchange);
  await using stage = await Stage.open({ 'api.test': origin }, options);
  const port = await listenHttp3(stage);
  const client = await http3Client(stage, port);
  await act({ stage, client, origin, port });
  client.destroy();
}

function reply(exchange: ClientExchange, status: number, body: Buffer | null, raw: string[] = [], trailers: Headers | null = null): void {
  exchange.respond(head(status, raw, body !== null));
  if (body) exchange.write(body);
  exchange.end(trailers);
}

test('a request and its answer, and their record', () =>
  scene(
    (exchange) => take(exchange, { whole: () => reply(exchange, 200, Buffer.from('hello'), ['content-type', 'text/plain', 'x-got', exchange.head.headers.get('x-own') ?? '']) }),
    async ({ stage, client }) => {
      const answer = await ask(client, { path: '/a?b=c', headers: ['x-own', 'mine', 'cookie', 'a=b', 'cookie', 'c=d'] });
      assert.equal(answer.head.status, 200);
      assert.equal(answer.head.headers.get('x-got'), 'mine');
      assert.equal(String(answer.body), 'hello');
      const record = await stage.record();
      assert.equal(record.outcome, 'completed');
      assert.deepEqual([record.http_version, record.request?.http_version, record.response?.http_version, record.upstream?.http_version], ['3', '3', '3', '3']);
      assert.equal(record.request?.url, 'https://api.test/a?b=c');
      assert.deepEqual(record.request?.headers, [['x-own', 'mine'], ['cookie', 'a=b'], ['cookie', 'c=d']]);
      assert.equal(record.response?.body, 'hello');
      assert.deepEqual([record.tls?.alpn, record.tls?.version, record.tls?.sni, record.tls?.ja4?.[0]], ['h3', 'TLSv1.3', 'api.test', 'q']);
      assert.equal(record.upstream?.tls?.alpn, 'h3');
      assert.match(record.upstream?.tls?.peer_certificate?.alt_names ?? '', /api\.test/);
      assert.ok(record.timing.connect !== null && record.timing.tls === null);
    },
  ));

test('bodies both ways, trailers both ways, and interim answers', () => {
  const up = randomBytes(3_000_000);
  const down = randomBytes(2_000_000);
  return scene(
    (exchange) => {
      exchange.inform(head(103, ['link', '</style.css>; rel=preload'], false));
      take(exchange, { whole: (body, trailers) => reply(exchange, 200, down, ['x-sum', sum(body), 'x-trailer', trailers?.get('x-late') ?? ''], new Headers(['x-end', 'yes'])) });
    },
    async ({ stage, client }) => {
      const answer = await ask(client, { method: 'POST', body: up, trailers: ['x-late', 'there'] });
      assert.deepEqual([answer.head.headers.get('x-sum'), answer.head.headers.get('x-trailer')], [sum(up), 'there']);
      assert.equal(sum(answer.body), sum(down));
      assert.deepEqual(answer.trailers?.raw, ['x-end', 'yes']);
      assert.deepEqual(answer.informational.map(({ status, headers }) => [status, ...headers.raw]), [[103, 'link', '</style.css>; rel=preload']]);
      const { request, response } = await stage.record();
      assert.deepEqual([request?.body_sha256, response?.body_sha256], [sum(up), sum(down)]);
      assert.deepEqual([request?.trailers, response?.trailers, response?.informational.length], [[['x-late', 'there']], [['x-end', 'yes']], 1]);
    },
  );
});

test('answers without a body: HEAD, 204 and an empty 200', () =>
  scene(
    (exchange) => take(exchange, { whole: () => reply(exchange, exchange.head.path === '/204' ? 204 : 200, null, exchange.head.method === 'HEAD' ? ['content-length', '77'] : []) }),
    async ({ stage, client }) => {
      for (const [method, path] of [['HEAD', '/'], ['GET', '/204'], ['GET', '/']] as const) assert.equal((await ask(client, { method, path })).body.length, 0);
      assert.ok((await stage.recorded(3)).every(({ outcome, response }) => outcome === 'completed' && response?.body_size === 0));
    },
  ));

test('more requests at once than the origin allows streams wait for their turn, and come out', async () => {
  const COUNT = 400;
  await scene(
    (exchange) => take(exchange, { whole: () => setTimeout(() => reply(exchange, 200, Buffer.from(exchange.head.path)), 5) }),
    async ({ stage, client, origin }) => {
      const answers = await Promise.all(Array.from({ length: COUNT }, (_, i) => ask(client, { path: `/${i}` })));
      assert.deepEqual(answers.map(({ body }) => String(body)), Array.from({ length: COUNT }, (_, i) => `/${i}`));
      assert.equal(origin.connections.length, 1);
      await stage.recorded(COUNT);
    },
  );
});

test('answers in thousands end, each of them', () =>
  scene(
    (exchange) => take(exchange, { whole: () => {
      exchange.respond(head(200));
      exchange.write(Buffer.from('part'));
      // By now the part may be acknowledged: an end without bytes would be lost.
      setTimeout(() => exchange.end(null), Math.floor(exchange.head.path.length % 8));
    } }),
    async ({ stage, client }) => {
      for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 100 }, (_, i) => ask(client, { path: '/' + 'x'.repeat(i) })));
      assert.ok((await stage.recorded(1000)).every(({ outcome }) => outcome === 'completed'));
    },
  ));

describe('resets', () => {
  async function broken(onExchange: (exchange: ClientExchange) => void): Promise<{ error: Error | null; record: FlowRecord }> {
    let result: { error: Error | null; record: FlowRecord } | null = null;
    await scene(onExchange, async ({ stage, client }) => {
      const error = await ask(client).then(({ head }) => new Error(String(head.status)), (error: Error) => error);
      result = { error, record: await stage.record() };
    });
    return result!;
  }

  test('of an origin before its answer are a 502', async () => {
    const { error, record } = await broken((exchange) => exchange.reset());
    assert.equal(error?.message, '502');
    assert.deepEqual([record.outcome, record.error?.code], ['failed', 'upstream_aborted']);
    assert.match(record.error!.message, /H3_INTERNAL_ERROR/);
  });

  test('of an origin within its answer reach the client', async () => {
    const { error, record } = await broken((exchange) => {
      exchange.respond(head(200));
      exchange.write(Buffer.from('part'));
      setTimeout(() => exchange.reset(), 20);
    });
    assert.match(error!.message, /reset the stream \(H3_INTERNAL_ERROR\)/);
    assert.deepEqual([record.outcome, record.response?.body], ['failed', 'part']);
  });

  test('of a client reach the origin', async () => {
    let aborted = false;
    let reached = false;
    await scene(
      (exchange) => take(exchange, { whole: () => (reached = true), onClientAbort: () => (aborted = true) }),
      async ({ stage, client }) => {
        let quiet = 0;
        const exchange = client.send({ method: 'GET', scheme: 'https', authority: 'api.test', path: '/', httpVersion: '3', headers: new Headers(), hasBody: false, wantsUpgrade: false }, {
          onInform() {}, onResponse() {}, onResponseData() {}, onResponseEnd() {}, onUpstreamError: () => quiet++, onUpstreamDrain() {}, onUpgrade() {},
        });
        exchange.end(null);
        await until('the request', () => reached);
        exchange.reset();
        await until('the abort', () => aborted);
        assert.equal((await stage.record()).outcome, 'aborted');
        assert.equal(quiet, 0);
      },
    );
  });

  test('too many of them end the connection, and not the capture', () =>
    scene(
      (exchange) => take(exchange, {}),
      async ({ stage, client, port }) => {
        for (let i = 0; i < 2000 && !client.isClosed; i++) {
          const exchange = client.send({ method: 'GET', scheme: 'https', authority: 'api.test', path: '/', httpVersion: '3', headers: new Headers(), hasBody: false, wantsUpgrade: false }, {
            onInform() {}, onResponse() {}, onResponseData() {}, onResponseEnd() {}, onUpstreamError() {}, onUpstreamDrain() {}, onUpgrade() {},
          });
          exchange.end(null);
          setTimeout(() => exchange.reset(), 3);
          if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        }
        await until('the end of the connection', () => client.isClosed);
        const again = await http3Client(stage, port);
        assert.equal(again.isClosed, false);
        again.destroy();
      },
    ));
});

test('an origin that goes away (GOAWAY): what is under way is served, the rest goes to a new connection', () => {
  const held: ClientExchange[] = [];
  return scene(
    (exchange) => take(exchange, { whole: () => (exchange.head.path === '/held' ? held.push(exchange) : reply(exchange, 200, Buffer.from('new'))) }),
    async ({ stage, client, origin }) => {
      const first = ask(client, { path: '/held' });
      await until('the first', () => held.length === 1);
      origin.servers[0]!.close();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(String((await ask(client)).body), 'new');
      assert.equal(origin.connections.length, 2);
      reply(held[0]!, 200, Buffer.from('old'));
      assert.equal(String((await soon('the first', first)).body), 'old');
      await stage.recorded(2);
    },
  );
});

test('a denied name is answered 403 with its violation, and nothing goes upstream', async () => {
  let reached = 0;
  await scene(
    () => reached++,
    async ({ stage, client, origin }) => {
      const { head, body } = await ask(client);
      assert.equal(head.status, 403);
      const [record] = await stage.recorded(1);
      assert.equal(head.headers.get('x-mentu-violation'), record!.violation?.id);
      assert.equal(record!.outcome, 'denied');
      assert.match(String(body), /no such/);
      assert.deepEqual([reached, origin.connections.length], [0, 0]);
    },
    { tap: (hooks) => hooks.onConnect.tap('test', () => ({ action: 'deny', rule: 'no such' })) },
  );
});
