/** Origins that break off, lie or are not there, over HTTP/1; each with its one record. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';
import { GET, OK, scene } from './scene.ts';

describe('an origin that goes', () => {
  test('before it answers leaves a 502 that says so', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.socket.destroy();
      const { head, body } = await client.takeResponse();
      assert.match(head, /^HTTP\/1.1 502 /);
      assert.equal(JSON.parse(body).error, 'upstream_aborted');
      const record = await stage.record();
      assert.equal(record.outcome, 'failed');
      assert.equal(record.error?.code, 'upstream_aborted');
      assert.equal(record.response?.status, 502);
    }));

  test('in the middle of a body with a length leaves what came, and no clean end', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart');
      upstream.socket.end();
      assert.match(await client.takeAll(), /part$/);
      const record = await stage.record();
      assert.equal(record.outcome, 'failed');
      assert.equal(record.response?.body, 'part');
    }));

  test('in the middle of a chunked body leaves it without its last chunk', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n');
      upstream.socket.end();
      assert.match(await client.takeAll(), /4\r\npart\r\n$/);
      assert.equal((await stage.record()).outcome, 'failed');
    }));

  test('by a reset, in a body that only its end delimits, resets the client too', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\n\r\npart');
      await client.take('part');
      (upstream.socket as Socket).resetAndDestroy();
      await until('the end', () => client.closed);
      assert.equal((client.error as NodeJS.ErrnoException | null)?.code, 'ECONNRESET', 'a clean end would pass for a whole body');
      assert.equal((await stage.record()).outcome, 'failed');
    }));

  test('and had answered so slowly that the client still reads, gets all of it to the client', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.socket.pause();
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n' + 'x'.repeat(4_000_000));
      upstream.socket.end();
      await sleep(300);
      client.socket.resume();
      const text = await client.takeAll();
      assert.equal(text.length - text.indexOf('\r\n\r\n') - 4, 4_000_000);
      assert.equal((await stage.record()).outcome, 'failed');
    }));

  test('closes a kept connection just when the next request comes: it is asked again, once, for a GET', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(OK);
      await client.take('ok');
      upstream.socket.on('data', () => upstream.socket.destroy());
      client.write(GET);
      const again = await arrivals.next();
      assert.equal(await again.take('\r\n\r\n'), GET);
      again.write(OK);
      await client.take('ok');
      const [, second] = await stage.recorded(2);
      assert.equal(second?.outcome, 'completed');
      assert.equal(second?.upstream?.reused, false);
    }));

  test('does so for a POST: it is not asked again', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(OK);
      await client.take('ok');
      upstream.socket.on('data', () => upstream.socket.destroy());
      client.write('POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\n\r\n');
      assert.match((await client.takeResponse()).head, /^HTTP\/1.1 502 /);
      await stage.recorded(2);
      assert.equal(arrivals.count, 1);
    }));

  test('has answered half a head: it is not asked again', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(OK);
      await client.take('ok');
      upstream.socket.on('data', () => upstream.socket.end('HTTP/1.1 200 OK\r\nCont'));
      client.write(GET);
      assert.match((await client.takeResponse()).head, /^HTTP\/1.1 502 /);
      await stage.recorded(2);
      assert.equal(arrivals.count, 1);
    }));

  for (const [what, response] of [
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['a length that is none', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    ['a field without a colon', 'HTTP/1.1 200 OK\r\nfoo\r\n\r\n'],
    ['a head without an end', 'HTTP/1.1 200 OK\r\nX: ' + 'x'.repeat(200_000)],
    ['a switch of protocols that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
  ] as const) {
    test(`answers with ${what}: a 502 that says so`, () =>
      scene(async ({ client, arrivals, stage }) => {
        client.write(GET);
        const upstream = await arrivals.next();
        await upstream.take('\r\n\r\n');
        upstream.write(response);
        const { head, body } = await client.takeResponse();
        assert.match(head, /^HTTP\/1.1 502 /);
        assert.equal(JSON.parse(body).error, 'upstream_protocol_error');
        const record = await stage.record();
        assert.equal(record.outcome, 'failed');
        assert.equal(record.error?.code, 'upstream_protocol_error');
        await until('the end upstream', () => upstream.ended);
      }));
  }

  test('breaks the chunked coding half-way: the client sees no clean end', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzzz\r\n');
      assert.match(await client.takeAll(), /4\r\npart\r\n$/);
      assert.equal((await stage.record()).error?.code, 'upstream_protocol_error');
    }));

  test('says more than it was asked: the connection is not used again', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(OK + 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong');
      await client.take('ok');
      await until('the end upstream', () => upstream.ended);
      assert.equal(await client.takeAll(), '');
      assert.equal((await stage.record()).outcome, 'completed');
    }));
});

describe('what is not there', () => {
  test('is a 502 with a code, and a record', async () => {
    const gone = await Origin.raw(() => {});
    await gone.close();
    await using stage = await Stage.open({ 'gone.test': gone, 'private.test': '10.0.0.1' });
    const client = await stage.wire('gone.test');
    client.write('GET / HTTP/1.1\r\nHost: gone.test\r\n\r\n');
    const { head, body } = await client.takeResponse();
    assert.match(head, /^HTTP\/1.1 502 /);
    assert.equal(JSON.parse(body).error, 'connect_failed');
    const lost = await stage.wire('no-such-name.invalid');
    lost.write('GET / HTTP/1.1\r\nHost: no-such-name.invalid\r\n\r\n');
    assert.equal(JSON.parse((await lost.takeResponse()).body).error, 'name_not_found');
    const inner = await stage.wire('127.0.0.1', gone.port);
    inner.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    const denied = await inner.takeResponse();
    assert.match(denied.head, /^HTTP\/1.1 403 [^]*x-mentu-violation: vio_/);
    const records = await stage.recorded(3);
    assert.deepEqual(records.map(({ outcome, error }) => [outcome, error?.code]), [['failed', 'connect_failed'], ['failed', 'name_not_found'], ['denied', 'address_denied']]);
    assert.equal(records[2]?.violation?.code, 'address_denied');
  });
});
