/** How a spliced pair ends, by real sockets: who left, and what the other had said before. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { splice, type SpliceEnd } from '../../../core/relay/splice.ts';

/** The far and the near end of a connection. */
async function pair(t: TestContext): Promise<{ far: Socket; near: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  const [near] = (await once(server, 'connection')) as [Socket];
  t.after(() => {
    far.destroy();
    near.destroy();
    server.close();
  });
  far.on('error', () => {});
  return { far, near };
}

async function spliced(t: TestContext): Promise<{ client: Socket; upstream: Socket; ended: Promise<SpliceEnd> }> {
  const [left, right] = await Promise.all([pair(t), pair(t)]);
  const ended = new Promise<SpliceEnd>((resolve) => void splice(left.near, right.near, 'a.test', { up: 0, down: 0 }, resolve));
  return { client: left.far, upstream: right.far, ended };
}

test('a client that has heard the last of its server may leave by a reset', async (t) => {
  const { client, upstream, ended } = await spliced(t);
  client.write('QUIT');
  await once(upstream, 'data');
  upstream.end('221 Bye');
  client.resume();
  await once(client, 'end');
  client.resetAndDestroy();
  assert.deepEqual(await ended, { outcome: 'completed', error: null });
});

test('a client that leaves by a reset before has broken off', async (t) => {
  const { client, upstream, ended } = await spliced(t);
  client.write('DATA');
  await once(upstream, 'data');
  client.resetAndDestroy();
  const { outcome, error } = await ended;
  assert.deepEqual([outcome, error?.code], ['aborted', 'client_aborted']);
});

test('a server that resets has failed, though its client had ended its half', async (t) => {
  const { client, upstream, ended } = await spliced(t);
  client.end('GET');
  upstream.resume();
  await once(upstream, 'end');
  upstream.resetAndDestroy();
  const { outcome, error } = await ended;
  assert.deepEqual([outcome, error?.code], ['failed', 'upstream_aborted']);
});
