/** Upstreams that end their connection after an answer, whose client came by HTTP/3. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { ask, http3Client, listenHttp3 } from '../../stage/http3.ts';
import { originCA } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';

const SIZE = 1_000_000;

test('the client gets all of the last answer, and then the end of its connection', async (t) => {
  const server = createServer(originCA.identity('api.test'), (_, response) => {
    response.writeHead(200, { 'content-length': SIZE, connection: 'close' });
    response.end(Buffer.alloc(SIZE, 65));
  });
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  await using stage = await Stage.open({ 'api.test': { port: (server.address() as AddressInfo).port } });
  const port = await listenHttp3(stage);
  for (let i = 0; i < 3; i++) {
    const client = await http3Client(stage, port);
    assert.equal((await ask(client)).body.length, SIZE);
    await until('the end of the connection', () => client.isClosed);
  }
  for (const { outcome, bytes } of await stage.recorded(3)) assert.deepEqual([outcome, bytes.down], ['completed', SIZE]);
});
