/** A thousand QUIC connections at once: all complete, all recorded, and their memory comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { ask, http3Client, listenHttp3 } from '../../stage/http3.ts';
import { Origin } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';

const CONNECTIONS = 1000;
const AT_ONCE = 50;

test(`${CONNECTIONS} QUIC connections that stand at the same time`, { timeout: 600_000 }, async (t) => {
  await using origin = await Origin.https((request, response) => response.end(`answer to ${request.url}`));
  await using stage = await Stage.open({ 'api.test': origin });
  const port = await listenHttp3(stage);
  const before = process.memoryUsage().rss;
  const clients: Awaited<ReturnType<typeof http3Client>>[] = [];
  for (let from = 0; from < CONNECTIONS; from += AT_ONCE) clients.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => http3Client(stage, port)))));
  assert.equal(clients.length, CONNECTIONS);
  for (let from = 0; from < CONNECTIONS; from += AT_ONCE) {
    const answers = await Promise.all(clients.slice(from, from + AT_ONCE).map((client, i) => ask(client, { path: `/${from + i}` })));
    answers.forEach(({ head, body }, i) => assert.deepEqual([head.status, String(body)], [200, `answer to /${from + i}`]));
  }
  const grown = process.memoryUsage().rss - before;
  for (const client of clients) client.destroy();
  await until('every flow has its record', () => stage.records.length === CONNECTIONS);
  assert.ok(stage.records.every(({ outcome, request }) => outcome === 'completed' && request?.http_version === '3'));
  assert.equal(new Set(stage.records.map(({ request }) => request!.url)).size, CONNECTIONS);
  t.diagnostic(`${CONNECTIONS} connections, their clients and their upstreams in one process: ${Math.round(grown / 2 ** 20)} MiB`);
});
