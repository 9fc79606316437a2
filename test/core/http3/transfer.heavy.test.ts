/** A gibibyte each way over HTTP/3, client, capture and origin in one process: sums equal, and memory flat. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { ClientExchange, UpstreamExchange } from '../../../core/exchange.ts';
import { Headers } from '../../../core/headers.ts';
import type { Http3Client } from '../../../core/http3/client.ts';
import { Stage } from '../../stage/captured.ts';
import { Http3Origin, http3Client, listenHttp3 } from '../../stage/http3.ts';

const SIZE = Number(process.env['TRANSFER_MIB'] ?? 1024) * 1024 ** 2;
/** Passes first, so that all windows, buffers and code are there: three ends of QUIC connections are in this process. */
const WARMING = 64 * 1024 ** 2;
const CHUNK = Buffer.alloc(64 * 1024, 'mentu');
const GROWTH = 100 * 1024 * 1024;

/** Writes so many bytes as fast as they are taken. */
class Source {
  #left: number;
  readonly #write: (chunk: Buffer) => boolean;
  readonly #end: () => void;

  constructor(size: number, write: (chunk: Buffer) => boolean, end: () => void) {
    this.#left = size;
    this.#write = write;
    this.#end = end;
  }

  readonly go = (): void => {
    while (this.#left > 0) {
      this.#left -= CHUNK.length;
      if (!this.#write(CHUNK)) break;
    }
    if (this.#left !== 0) return;
    this.#left = -1;
    this.#end();
  };
}

function sumOf(size: number): string {
  const hash = createHash('sha256');
  for (let at = 0; at < size; at += CHUNK.length) hash.update(CHUNK);
  return hash.digest('hex');
}

/** Answers with as many bytes as came, and with their sum before them in a field. */
function mirror(exchange: ClientExchange): void {
  const took = createHash('sha256');
  let size = 0;
  let source: Source | null = null;
  exchange.attach({
    onRequestData: (chunk) => {
      size += chunk.length;
      took.update(chunk);
    },
    onRequestEnd: () => {
      exchange.respond({ status: 200, statusText: '', httpVersion: '3', headers: new Headers(['x-sum', took.digest('hex')]), hasBody: true });
      source = new Source(size, (chunk) => exchange.write(chunk), () => exchange.end(null));
      source.go();
    },
    onClientAbort: () => {},
    onClientHalfClose: () => {},
    onClientError: () => {},
    onClientDrain: () => source?.go(),
  });
  exchange.start();
}

/** Sends so many bytes, and gives the sums of what arrived up there and down here. */
function transfer(client: Http3Client, size: number): Promise<[up: string, down: string]> {
  return new Promise((resolve, reject) => {
    const got = createHash('sha256');
    let up = '';
    const exchange: UpstreamExchange = client.send({ method: 'POST', scheme: 'https', authority: 'api.test', path: '/', httpVersion: '3', headers: new Headers(), hasBody: true, wantsUpgrade: false }, {
      onInform: () => {},
      onResponse: ({ headers }) => (up = headers.get('x-sum')!),
      onResponseData: (chunk) => void got.update(chunk),
      onResponseEnd: () => resolve([up, got.digest('hex')]),
      onUpstreamError: reject,
      onUpstreamDrain: () => source.go(),
      onUpgrade: () => {},
    });
    const source = new Source(size, (chunk) => exchange.write(chunk), () => exchange.end(null));
    source.go();
  });
}

test('a gibibyte each way', { timeout: 1_200_000 }, async (t) => {
  await using origin = await Http3Origin.open(mirror);
  await using stage = await Stage.open({ 'api.test': origin }, { bodies: { keep: 'none' } });
  const client = await http3Client(stage, await listenHttp3(stage));
  await transfer(client, WARMING);
  const before = process.memoryUsage.rss();
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 100);
  const start = performance.now();
  const sums = await transfer(client, SIZE);
  clearInterval(watch);
  t.diagnostic(`${Math.round((2 * SIZE) / 1024 / 1024 / ((performance.now() - start) / 1000))} MiB/s; memory grew by ${Math.round((most - before) / 1024 / 1024)} MiB`);
  assert.deepEqual(sums, [sumOf(SIZE), sumOf(SIZE)]);
  assert.ok(most - before < GROWTH, `${most - before} bytes`);
  const [, record] = await stage.recorded(2);
  assert.deepEqual([record!.outcome, record!.request?.body_size, record!.response?.body_size], ['completed', SIZE, SIZE]);
  client.destroy();
});
