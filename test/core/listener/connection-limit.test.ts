import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectionLimit } from '../../../core/listener/connection-limit.ts';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { soon } from '../../stage/wire.ts';

const GET = 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n';

test('the limit leaves descriptors for all else, and is bounded where there are many', () => {
  assert.deepEqual([256, 1024, 4096, 20_000, 1_048_576].map(connectionLimit), [96, 384, 1548, 9500, 16_384]);
  assert.ok(connectionLimit() > 0);
});

test('connections beyond the limit are reset and recorded, those before it are served, and room that is left is taken', async () => {
  await using origin = await Origin.http((_request, response) => response.end('ok'));
  await using stage = await Stage.open({ 'api.test': origin }, { maxConnections: 3 });
  const first = [await stage.wire('api.test'), await stage.wire('api.test'), await stage.wire('api.test')];
  for (const forward of [false, true]) {
    const refused = forward ? await stage.toProxy() : await stage.wire('api.test');
    const broken = once(refused.socket, 'error');
    if (forward) refused.write('GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n');
    else refused.write(GET);
    assert.equal((((await broken) as [NodeJS.ErrnoException])[0]).code, 'ECONNRESET');
  }
  assert.deepEqual((await stage.recorded(2)).map(({ kind, outcome, error, server }) => [kind, outcome, error?.code, server.name]), [
    ['tcp', 'failed', 'too_many_connections', 'api.test'],
    ['tcp', 'failed', 'too_many_connections', null],
  ]);
  for (const client of first) {
    client.write(GET);
    assert.equal((await client.takeResponse()).body, 'ok');
  }
  first[0]!.socket.destroy();
  let served = '';
  for (let attempt = 0; attempt < 50 && served === ''; attempt++) {
    const next = await stage.toProxy();
    next.socket.on('error', () => {});
    next.write(`CONNECT api.test:80 HTTP/1.1\r\n\r\n${GET}`);
    served = await next.take('\r\n\r\n').then(async () => (await next.takeResponse()).body).catch(() => '');
  }
  assert.equal(served, 'ok');
});

test('clients that never say what they want are counted too, and leave room when they go', async () => {
  await using origin = await Origin.http((_request, response) => response.end('ok'));
  await using stage = await Stage.open({ 'api.test': origin }, { maxConnections: 3 });
  const silent = [await stage.toProxy(), await stage.toProxy(), await stage.toProxy()];
  const broken = await stage.toProxy().then(({ socket }) => soon('the reset', once(socket, 'error')), (error: unknown) => [error]);
  assert.equal((broken as [NodeJS.ErrnoException])[0].code, 'ECONNRESET');
  const { kind, error } = await stage.record();
  assert.deepEqual([kind, error?.code], ['tcp', 'too_many_connections']);
  silent[0]!.socket.destroy();
  await sleep(50);
  const client = await stage.wire('api.test');
  client.write(GET);
  assert.equal((await client.takeResponse()).body, 'ok');
});
