/** A thousand QUIC connections at once, through the proxy in its own process: all complete, all are recorded, and what each takes is told. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Http3Client } from '../../core/http3/client.ts';
import { connectQuic } from '../../core/quic/client.ts';
import { ask } from '../stage/http3.ts';
import { MAX_DATAGRAM, loadTransport } from '../stage/quic.ts';
import { ProxyProcess } from './stage/proxy-process.ts';
import { Stage } from './stage/stage.ts';

const CONNECTIONS = 1000;
const AT_ONCE = 50;
const HOST = 'api.demo.test';
let stage: Stage;

before(async () => {
  stage = await Stage.open((request, response) => void response.end(`answer to ${request.url}`));
  stage.profile();
});
after(() => stage.close());

test(`${CONNECTIONS} QUIC connections that stand at the same time`, { timeout: 600_000 }, async (t) => {
  const proxy = await ProxyProcess.open(stage, ['--http3-listen', '127.0.0.1:0']);
  const port = await proxy.http3Port();
  const transport = await loadTransport();
  const config = transport.configure({ alpn: ['h3'], maxDatagram: MAX_DATAGRAM, maxStreams: 0, identity: null, roots: [proxy.authority] });
  const connected = async (): Promise<Http3Client> => {
    const { connection } = await connectQuic(transport, { host: HOST, serverName: HOST, address: '127.0.0.1', port, config, maxDatagram: MAX_DATAGRAM, timeoutMs: 30_000, signal: new AbortController().signal });
    return new Http3Client(connection, HOST, () => {});
  };
  const answered = async (client: Http3Client, i: number): Promise<void> => {
    const { head, body } = await ask(client, { path: `/${i}` }, HOST);
    assert.deepEqual([head.status, String(body)], [200, `answer to /${i}`]);
  };
  // The first brings its code with it.
  const clients = [await connected()];
  await answered(clients[0]!, 0);
  const start = proxy.memory;
  while (clients.length < CONNECTIONS) clients.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, CONNECTIONS - clients.length) }, connected))));
  const standing = proxy.memory - start;
  for (let from = 1; from < CONNECTIONS; from += AT_ONCE) await Promise.all(clients.slice(from, from + AT_ONCE).map((client, i) => answered(client, from + i)));
  const asked = proxy.peak - start;
  const each = (growth: number): string => `${growth.toFixed(0)} MiB, ${((growth * 1024) / CONNECTIONS).toFixed(0)} KiB for each`;
  t.diagnostic(`the proxy's memory above that of one: ${each(standing)} when they stand; ${each(asked)} with their connections upstream, when all have asked`);
  for (const client of clients) client.destroy();
  const flows = await proxy.end();
  assert.equal(flows.length, CONNECTIONS);
  assert.ok(flows.every(({ outcome, request }) => outcome === 'completed' && request?.http_version === '3'));
  assert.equal(new Set(flows.map(({ request }) => request!.url)).size, CONNECTIONS);
});
