/** Clients that take their time inside of TLS, leave while they are judged, or begin TLS within TLS. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { once } from 'node:events';
import type { Decision } from '../../../core/index.ts';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin, originCA } from '../../stage/origin.ts';
import { soon, until } from '../../stage/wire.ts';

const GET = 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n';
/** Longer than a client counts as silent. */
const PAUSE = 450;

describe('inside of TLS, a client that is silent at first', () => {
  test('is not denied its requests where raw connections are', async () => {
    await using origin = await Origin.https((_request, response) => response.end('hello'), ['http/1.1']);
    let verdict: Decision | undefined;
    await using stage = await Stage.open({ 'api.test': origin }, {
      tap: (hooks) => {
        hooks.onConnect.tap('test', ({ protocol }) => (verdict = protocol === 'raw' ? { action: 'deny', rule: 'no raw' } : { action: 'allow', rule: 'the list' }));
        hooks.onRequest.tap('test', () => verdict);
      },
    });
    const client = await stage.tlsWire('api.test', { ALPNProtocols: [] });
    await sleep(PAUSE);
    client.write(GET);
    assert.equal((await client.takeResponse()).body, 'hello');
    const { kind, outcome, policy } = await stage.record();
    assert.deepEqual([kind, outcome, policy?.rule], ['http', 'completed', 'the list']);
  });

  for (const [what, said] of [['a request', GET], ['something else', '\0\x01']] as const) {
    test(`and says ${what} has one upstream connection`, async () => {
      await using origin = await Origin.rawTls((socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')), { ALPNProtocols: [] as never });
      await using stage = await Stage.open({ 'api.test': origin });
      const client = await stage.tlsWire('api.test', { ALPNProtocols: [] });
      await sleep(PAUSE);
      client.write(said);
      await client.take('ok');
      client.socket.end();
      const { kind, outcome, upstream } = await stage.record();
      assert.deepEqual([kind, outcome, origin.accepted, upstream?.tls?.version], [what === 'a request' ? 'http' : 'tcp', 'completed', 1, 'TLSv1.3']);
    });
  }
});

test('TLS within TLS passes as what it is to us, something else than HTTP', async () => {
  const inner = createTlsServer(originCA.options(), (socket) => void socket.on('error', () => {}).pipe(socket));
  await using origin = await Origin.rawTls((socket) => void inner.emit('connection', socket), { ALPNProtocols: [] as never });
  await using stage = await Stage.open({ 'api.test': origin });
  const outer = await stage.tls('api.test', { ALPNProtocols: [] });
  const client = connectTls({ socket: outer, servername: 'api.test', ca: originCA.certificate });
  await soon('the inner handshake', once(client, 'secureConnect'));
  client.write('ping');
  const [answer] = (await soon('the answer', once(client, 'data'))) as [Buffer];
  assert.equal(answer.toString(), 'ping');
  client.destroy();
  outer.destroy();
  const { kind, tls_sni, bytes } = await stage.record();
  assert.deepEqual([kind, tls_sni, bytes.up > 500], ['tcp', 'api.test', true]);
  await until('the end upstream', () => origin.sockets.size === 0);
  assert.equal(origin.accepted, 1);
});

describe('a client that leaves while a plugin decides on its connection', () => {
  for (const [action, outcome] of [['allow', 'aborted'], ['deny', 'denied']] as const) {
    for (const [version, said] of [['1.1', GET], ['2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']] as const) {
      test(`has its record, and leaves its place to others: HTTP/${version}, ${action}`, async () => {
        await using origin = await Origin.raw(() => {});
        let decide = (): void => {};
        const asked = Promise.withResolvers<void>();
        await using stage = await Stage.open({ 'api.test': origin }, {
          maxConnections: 1,
          tap: (hooks) => hooks.onConnect.tapPromise('test', async () => {
            asked.resolve();
            await new Promise<void>((resolve) => (decide = resolve));
            return { action, rule: 'r' };
          }),
        });
        const client = await stage.tunnel('api.test');
        client.write(said);
        await soon('the question', asked.promise);
        client.resetAndDestroy();
        await sleep(50);
        decide();
        assert.equal((await stage.record()).outcome, outcome);
        await stage.tunnel('api.test');
        await sleep(20);
        assert.equal(stage.records.length, 1, 'there is room for the next');
      });
    }
  }

  test('inside of a tunnel has it as well, and the tunnel ends', async () => {
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    let decide = (): void => {};
    const asked = Promise.withResolvers<void>();
    await using stage = await Stage.open({ 'proxy.test': origin }, {
      tap: (hooks) => hooks.onConnect.tapPromise('test', async ({ destination }) => {
        if (destination.name !== 'inner.test') return;
        asked.resolve();
        await new Promise<void>((resolve) => (decide = resolve));
      }),
    });
    const client = await stage.wire('proxy.test', 3128);
    client.write('CONNECT inner.test:80 HTTP/1.1\r\nHost: inner.test:80\r\n\r\n');
    const upstream = await arrivals.next();
    await upstream.take('\r\n\r\n');
    upstream.write('HTTP/1.1 200 OK\r\n\r\n');
    await client.take('\r\n\r\n');
    client.write('GET / HTTP/1.1\r\nHost: inner.test\r\n\r\n');
    await soon('the question', asked.promise);
    (client.socket as Socket).resetAndDestroy();
    await sleep(50);
    await stage.capture.close();
    decide();
    const records = await stage.recorded(2);
    assert.deepEqual(records.map(({ server, outcome }) => [server.name, outcome]), [['proxy.test', 'completed'], ['inner.test', 'aborted']]);
    await until('the end upstream', () => upstream.ended);
  });
});
