/** How clients of HTTP/1 end their flows, and connections that never had one; each with its one record. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';
import { GET, OK, POST, scene } from './scene.ts';

describe('a client that goes', () => {
  test('before the answer takes the upstream with it', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      await client.close();
      await until('the end upstream', () => upstream.ended);
      upstream.socket.end();
      const record = await stage.record();
      assert.equal(record.outcome, 'aborted');
      assert.equal(record.error?.code, 'client_aborted');
      assert.equal(record.response, null);
    }));

  test('in the middle of its request leaves the part that came', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(POST + 'part');
      const upstream = await arrivals.next();
      await upstream.take('part');
      await client.close();
      await until('the end upstream', () => upstream.ended);
      const record = await stage.record();
      assert.equal(record.outcome, 'aborted');
      assert.equal(record.request?.body, 'part');
    }));

  test('in the middle of the response leaves the part that came', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart');
      await client.take('part');
      await client.close();
      upstream.write('more');
      await until('the end upstream', () => upstream.ended);
      upstream.socket.destroy();
      const record = await stage.record();
      assert.equal(record.outcome, 'aborted');
      assert.match(record.response?.body ?? '', /^part/);
    }));

  test('while a plugin still decides leaves one record, and nothing is forwarded', () => {
    let decide: () => void = () => {};
    return scene(
      async ({ client, arrivals, stage }) => {
        client.write(GET);
        await sleep(30);
        (client.socket as Socket).resetAndDestroy();
        await sleep(30);
        decide();
        assert.equal((await stage.record()).outcome, 'aborted');
        assert.equal(arrivals.count, 0);
      },
      { tap: (hooks) => hooks.onRequest.tapPromise('test', () => new Promise<void>((resolve) => (decide = resolve))) },
    );
  });

  test('while a plugin looks at the response leaves one record', () => {
    let let_go: () => void = () => {};
    return scene(
      async ({ client, arrivals, stage }) => {
        client.write(GET);
        const upstream = await arrivals.next();
        await upstream.take('\r\n\r\n');
        upstream.write(OK);
        await sleep(30);
        await client.close();
        await sleep(30);
        let_go();
        await stage.record();
      },
      { tap: (hooks) => hooks.onResponse.tapPromise('test', () => new Promise<void>((resolve) => (let_go = resolve))) },
    );
  });
});

describe('a connection without a request', () => {
  test('is one record of its own', async () => {
    await using origin = await Origin.raw(() => {});
    await using stage = await Stage.open({ 'api.test': origin });
    const silent = await stage.wire('api.test');
    silent.socket.end();
    await stage.recorded(1);
    const torn = await stage.wire('api.test');
    torn.write('GET /half HTTP/1.1\r\nHos');
    await sleep(20);
    torn.socket.end();
    const records = await stage.recorded(2);
    assert.deepEqual(records.map(({ kind, outcome, error }) => [kind, outcome, error?.code]), [
      ['tcp', 'aborted', 'no_request'],
      ['tcp', 'aborted', 'no_request'],
    ]);
    assert.equal(origin.accepted, 0);
  });

  test('of a client that floods after its end is not kept in memory', () =>
    scene(async ({ client, arrivals }) => {
      client.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(OK);
      assert.match(await client.takeAll(), /ok$/);
      const before = process.memoryUsage().arrayBuffers;
      const chunk = Buffer.alloc(1024 * 1024);
      for (let i = 0; i < 256 && !client.closed; i++) {
        if (!client.socket.write(chunk)) await once(client.socket, 'drain');
      }
      assert.ok(process.memoryUsage().arrayBuffers - before < 128 * 1024 * 1024);
      await sleep(5500);
      for (let i = 0; i < 20 && !client.closed; i++) {
        client.write('still there');
        await sleep(20);
      }
      assert.ok(client.closed, 'a client that says nothing for 5 s is left');
    }));
});
