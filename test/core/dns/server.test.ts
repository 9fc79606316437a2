import assert from 'node:assert/strict';
import type * as codec from 'dns-packet';
import { createSocket } from 'node:dgram';
import { Resolver as StubResolver } from 'node:dns/promises';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { SyntheticPool } from '../../../core/dns/pool.ts';
import type { DnsServer } from '../../../core/dns/server.ts';
import { until } from '../../stage/wire.ts';
import { ask, query, response, rig, told, type Reply } from './dns-rig.ts';

test('an allowed name is looked up first and answered from the pool, in both families', async () => {
  const { server, pool, asked, records } = rig();
  assert.deepEqual(await told(server, 'a.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(await told(server, 'A.Example', 'AAAA'), ['NOERROR', 'fd4d:656e:7475::1']);
  assert.deepEqual(asked, ['a.example']);
  assert.equal(pool.nameOf('198.18.0.1'), 'a.example');
  const { answers, questions, flag_ra: available, flag_ad: authentic } = (await ask(server, 'A.exAMPLE', 'A')) as Reply & { flag_ra: boolean };
  assert.equal((answers![0] as codec.StringAnswer).ttl, 60);
  assert.equal(questions![0]!.name, 'A.exAMPLE', 'the letters come back as they were sent');
  assert.deepEqual([available, authentic], [true, false]);
  const [flow] = records;
  const { timing, timestamp, id, latency_ms, ...rest } = flow!;
  assert.equal(typeof timing.dns, 'number');
  assert.deepEqual(rest, {
    version: rest.version, job_id: 'job_dns', kind: 'dns', outcome: 'completed', error: null, request: null, response: null, tls_sni: null, http_version: null, tls: null,
    client: { address: '192.0.0.2', port: 4000 }, server: { name: 'a.example', address: null, port: 53 }, upstream: null, connection_id: 'conn_1', bytes: { up: 27, down: 43 },
    policy: rest.policy, violation: null, annotations: {},
    dns: { transport: 'udp', name: 'a.example', type: 'A', class: 'IN', code: 'NOERROR', answers: [{ name: 'a.example', type: 'A', ttl: 60, data: '198.18.0.1' }], synthetic: true, truncated: false, edns: null },
  });
  assert.deepEqual([rest.policy!.decision, rest.policy!.rule, rest.policy!.by], ['allow', 'test', 'judge']);
  assert.deepEqual(records[2]!.dns!.answers[0]!.name, 'A.exAMPLE');
});

test('a name that does not exist stays so, and takes nothing from the pool', async () => {
  const { server, pool, records } = rig();
  assert.deepEqual(await told(server, 'gone.example', 'A'), ['NXDOMAIN']);
  assert.deepEqual(await told(server, 'gone.example', 'AAAA'), ['NXDOMAIN']);
  assert.deepEqual(await told(server, 'again.example', 'A'), ['SERVFAIL']);
  assert.equal(pool.size, 0);
  assert.deepEqual(records.map(({ outcome, error, dns }) => [outcome, error?.code, dns!.code, dns!.synthetic]), [
    ['completed', undefined, 'NXDOMAIN', false],
    ['completed', undefined, 'NXDOMAIN', false],
    ['failed', 'name_not_found', 'SERVFAIL', false],
  ]);
});

test('a name without addresses exists, and takes nothing from the pool', async () => {
  const { server, pool, records } = rig();
  for (const type of ['A', 'AAAA']) assert.deepEqual(await told(server, 'empty.example', type), ['NOERROR'], type);
  assert.equal(pool.size, 0);
  assert.deepEqual(records.map(({ outcome, error, dns }) => [outcome, error, dns!.code, dns!.answers, dns!.synthetic]), Array(2).fill(['completed', null, 'NOERROR', [], false]));
});

test('a denied name has addresses without a look-up and without a violation; every other type is refused and is one', async () => {
  const { server, asked, records } = rig();
  assert.deepEqual(await told(server, 'denied.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(await told(server, 'denied.example', 'AAAA'), ['NOERROR', 'fd4d:656e:7475::1']);
  for (const type of ['TXT', 'MX', 'ANY', 'AXFR']) assert.deepEqual(await told(server, 'denied.example', type), ['REFUSED'], type);
  assert.deepEqual(asked, []);
  assert.deepEqual(records.map(({ outcome, error, policy, violation, dns }) => [dns!.type, outcome, error?.code, policy!.decision, violation && [violation.code, violation.host, violation.rule, violation.by]]), [
    ['A', 'completed', undefined, 'deny', null],
    ['AAAA', 'completed', undefined, 'deny', null],
    ...['TXT', 'MX', 'ANY', 'AXFR'].map((type) => [type, 'denied', 'denied', 'deny', ['denied', 'denied.example', 'test', 'judge']]),
  ]);
});

test('a pinned name, and one that is answered here, needs no look-up; a private one is left to the connection to refuse', async () => {
  const { server, asked } = rig();
  assert.deepEqual(await told(server, 'pinned.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(await told(server, 'answered.example', 'A'), ['NOERROR', '198.18.0.2']);
  for (const name of ['pinned.example', 'answered.example']) assert.deepEqual(await told(server, name, 'HTTPS'), ['NOERROR'], name);
  assert.deepEqual(asked, []);
  assert.deepEqual(await told(server, 'private.example', 'A'), ['NOERROR', '198.18.0.3']);
});

test('an exhausted pool is SERVFAIL, and its names are still answered', async () => {
  const { server, records } = rig({ pool: new SyntheticPool(1) });
  assert.deepEqual(await told(server, 'a.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(await told(server, 'b.example', 'A'), ['SERVFAIL']);
  assert.deepEqual(await told(server, 'a.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.equal(records[1]!.error!.code, 'names_exhausted');
});

test('localhost is the guest\'s own; addresses and names that only decode to hosts are no names', async () => {
  const { server, judged, records } = rig();
  assert.deepEqual(await told(server, 'localhost', 'A'), ['NOERROR', '127.0.0.1']);
  assert.deepEqual(await told(server, 'db.localhost', 'AAAA'), ['NOERROR', '::1']);
  for (const name of ['127.0.0.1', '2130706433', '0x7f.1', 'ex%61mple.com', 'a:b.example', 'a b.example']) assert.deepEqual(await told(server, name, 'A'), ['NXDOMAIN'], name);
  assert.deepEqual(judged, []);
  assert.deepEqual(records.map(({ policy }) => policy).filter((policy) => policy !== null), []);
});

test('a pointer is answered for issued addresses alone', async () => {
  const { server, records } = rig();
  await told(server, 'a.example', 'A');
  assert.deepEqual(await told(server, '1.0.18.198.in-addr.arpa', 'PTR'), ['NOERROR', 'a.example']);
  const ipv6 = `1${'.0'.repeat(19)}.5.7.4.7.e.6.5.6.d.4.d.f.ip6.arpa`;
  assert.deepEqual(await told(server, ipv6, 'PTR'), ['NOERROR', 'a.example']);
  assert.deepEqual(await told(server, '2.0.18.198.in-addr.arpa', 'PTR'), ['NXDOMAIN']);
  assert.deepEqual(await told(server, '8.8.8.8.in-addr.arpa', 'PTR'), ['NXDOMAIN']);
  assert.deepEqual(records[1]!.dns!.answers, [{ name: '1.0.18.198.in-addr.arpa', type: 'PTR', ttl: 60, data: 'a.example.' }]);
});

test('a decision that fails is a denial', async () => {
  const { server, asked, records } = rig();
  assert.deepEqual(await told(server, 'broken.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(await told(server, 'broken.example', 'MX'), ['REFUSED']);
  assert.deepEqual(asked, []);
  assert.deepEqual(records.map(({ outcome, error }) => [outcome, error?.code]), [['completed', undefined], ['denied', 'decision_failed']]);
});

test('queries in work are bounded, and each has one record', async () => {
  const { promise: gate, resolve: release } = Promise.withResolvers<void>();
  const { server, records } = rig({ maxPending: 2, gate });
  const waiting = [told(server, 'a.example', 'A'), told(server, 'b.example', 'A')];
  assert.deepEqual(await told(server, 'a.example', 'A'), ['SERVFAIL']);
  release();
  assert.deepEqual((await Promise.all(waiting)).map((answer) => (answer as string[])[0]), ['NOERROR', 'NOERROR']);
  assert.deepEqual(await told(server, 'a.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(records.map(({ error }) => error?.code), ['too_many_lookups', undefined, undefined, undefined]);
});

test('while the sinks are stuck, queries wait, then are dropped and counted; memory does not grow with them', async () => {
  const { promise: sink, resolve: release } = Promise.withResolvers<void>();
  const { server, recorder, records, warnings } = rig({ maxPending: 20, sink });
  const ask = (count: number): void => {
    for (let i = 0; i < count; i++) server.answer(query(`n${i}.localhost`, 'A'), { transport: 'udp', client: { address: '192.0.0.2', port: i }, address: null }, () => {});
  };
  ask(10_000);
  assert.equal(records.length, 1000);
  release();
  await until('the rest', () => records.length === 1020);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await told(server, 'localhost', 'A'), ['NOERROR', '127.0.0.1']);
  server.close();
  assert.deepEqual(warnings.map(({ code, params }) => [code, params['count']]), [['lookups_dropped', 10_000 - 1020]]);
  await recorder.close();
});

test('what is in work when it closes is one aborted flow each, and what comes of it later changes nothing', async () => {
  const { promise: gate, resolve: release } = Promise.withResolvers<void>();
  const { server, records } = rig({ gate });
  const waiting = response(server, query('a.example', 'A'));
  server.close();
  assert.equal(await waiting, null);
  release();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(records.map(({ outcome, error, dns }) => [outcome, error!.code, dns!.name, dns!.code]), [['aborted', 'shutting_down', 'a.example', null]]);
});

async function udpServer(t: TestContext, server: DnsServer): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  server.serveUdp(socket);
  t.after(() => {
    server.close();
    socket.close();
  });
  return socket.address().port;
}

test('a stub resolver is served over UDP', async (t) => {
  const port = await udpServer(t, rig().server);
  const stub = new StubResolver({ timeout: 2_000, tries: 1 });
  stub.setServers([`127.0.0.1:${port}`]);
  assert.deepEqual(await stub.resolve4('a.example'), ['198.18.0.1']);
  assert.deepEqual(await stub.resolve6('a.example'), ['fd4d:656e:7475::1']);
  assert.deepEqual(await stub.reverse('198.18.0.1'), ['a.example']);
  await assert.rejects(stub.resolve4('gone.example'), { code: 'ENOTFOUND' });
  await assert.rejects(stub.resolveTxt('denied.example'), { code: 'EREFUSED' });
});

test('a question that is sent again while it is in work is no other one', async (t) => {
  const { promise: gate, resolve: release } = Promise.withResolvers<void>();
  const { server, records } = rig({ gate });
  const port = await udpServer(t, server);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  let replies = 0;
  socket.on('message', () => replies++);
  const send = (message: Buffer): Promise<void> => new Promise((resolve) => socket.send(message, port, '127.0.0.1', () => resolve()));
  for (let i = 0; i < 3; i++) await send(query('a.example', 'A'));
  await send(query('a.example', 'A', { id: 4712 }));
  await new Promise((resolve) => setTimeout(resolve, 30));
  release();
  await until('two replies', () => replies === 2);
  assert.equal(records.length, 2);
  await send(query('a.example', 'A'));
  await until('one more', () => replies === 3 && records.length === 3);
});
