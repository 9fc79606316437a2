import assert from 'node:assert/strict';
import type * as codec from 'dns-packet';
import { createSocket } from 'node:dgram';
import { Resolver as StubResolver } from 'node:dns/promises';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { SyntheticPool } from '../../../core/dns/pool.ts';
import { DnsServer } from '../../../core/dns/server.ts';
import { ask, rig, told, type Reply } from './dns-rig.ts';

test('an allowed name is looked up first and answered from the pool, in both families', async () => {
  const { pool, ...options } = rig();
  const server = new DnsServer({ pool, ...options });
  assert.deepEqual(await told(server, 'a.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(await told(server, 'A.Example', 'AAAA'), ['NOERROR', 'fd4d:656e:7475::1']);
  assert.deepEqual(options.asked, ['a.example']);
  assert.equal(pool!.nameOf('198.18.0.1'), 'a.example');
  const { answers, questions, flag_ra: available } = (await ask(server, 'A.exAMPLE', 'A')) as Reply & { flag_ra: boolean };
  assert.equal((answers![0] as codec.StringAnswer).ttl, 60);
  assert.equal(questions![0]!.name, 'A.exAMPLE', 'the letters come back as they were sent');
  assert.equal(available, true);
});

test('a name that does not exist stays so, and takes nothing from the pool', async () => {
  const options = rig();
  const server = new DnsServer(options);
  assert.deepEqual(await told(server, 'gone.example', 'A'), ['NXDOMAIN']);
  assert.deepEqual(await told(server, 'gone.example', 'AAAA'), ['NXDOMAIN']);
  assert.deepEqual(await told(server, 'again.example', 'A'), ['SERVFAIL']);
  assert.equal(options.pool!.size, 0);
});

test('a denied name is answered from the pool without a look-up, and refused for other types', async () => {
  const options = rig();
  const server = new DnsServer(options);
  assert.deepEqual(await told(server, 'denied.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(await told(server, 'denied.example', 'AAAA'), ['NOERROR', 'fd4d:656e:7475::1']);
  assert.deepEqual(await told(server, 'denied.example', 'TXT'), ['REFUSED']);
  assert.deepEqual(options.asked, []);
});

test('a pinned name needs no look-up; a private one is left to the connection to refuse', async () => {
  const options = rig();
  const server = new DnsServer(options);
  assert.deepEqual(await told(server, 'pinned.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(options.asked, []);
  assert.deepEqual(await told(server, 'private.example', 'A'), ['NOERROR', '198.18.0.2']);
});

test('other types of an allowed name are empty and not looked up', async () => {
  const options = rig();
  const server = new DnsServer(options);
  for (const type of ['HTTPS', 'SVCB', 'MX', 'TXT', 'NS', 'SOA', 'ANY', 'UNKNOWN_65280']) assert.deepEqual(await told(server, 'a.example', type), ['NOERROR'], type);
  assert.deepEqual(options.asked, []);
});

test('an exhausted pool is SERVFAIL, and its names are still answered', async () => {
  const server = new DnsServer(rig({ pool: new SyntheticPool(1) }));
  assert.deepEqual(await told(server, 'a.example', 'A'), ['NOERROR', '198.18.0.1']);
  assert.deepEqual(await told(server, 'b.example', 'A'), ['SERVFAIL']);
  assert.deepEqual(await told(server, 'a.example', 'A'), ['NOERROR', '198.18.0.1']);
});

test('localhost is the guest\'s own; root, addresses and names that only decode to hosts are no names', async () => {
  const options = rig();
  const server = new DnsServer(options);
  assert.deepEqual(await told(server, 'localhost', 'A'), ['NOERROR', '127.0.0.1']);
  assert.deepEqual(await told(server, 'db.localhost', 'AAAA'), ['NOERROR', '::1']);
  assert.deepEqual(await told(server, '.', 'NS'), ['REFUSED']);
  for (const name of ['127.0.0.1', '2130706433', '0x7f.1', 'ex%61mple.com', 'a:b.example']) assert.deepEqual(await told(server, name, 'A'), ['NXDOMAIN'], name);
  assert.deepEqual(options.judged, []);
});

test('a pointer is answered for issued addresses alone', async () => {
  const server = new DnsServer(rig());
  await told(server, 'a.example', 'A');
  assert.deepEqual(await told(server, '1.0.18.198.in-addr.arpa', 'PTR'), ['NOERROR', 'a.example']);
  const ipv6 = `1${'.0'.repeat(19)}.5.7.4.7.e.6.5.6.d.4.d.f.ip6.arpa`;
  assert.deepEqual(await told(server, ipv6, 'PTR'), ['NOERROR', 'a.example']);
  assert.deepEqual(await told(server, '2.0.18.198.in-addr.arpa', 'PTR'), ['NXDOMAIN']);
  assert.deepEqual(await told(server, '8.8.8.8.in-addr.arpa', 'PTR'), ['NXDOMAIN']);
});

test('a judge that fails is SERVFAIL', async () => {
  assert.deepEqual(await told(new DnsServer(rig()), 'broken.example', 'A'), ['SERVFAIL']);
});

test('queries in work are bounded', async () => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const server = new DnsServer(rig({ maxPending: 2, judge: () => gate.then(() => 'allow' as const) }));
  const waiting = [told(server, 'a.example', 'A'), told(server, 'b.example', 'A')];
  assert.deepEqual(await told(server, 'a.example', 'A'), ['SERVFAIL']);
  release();
  assert.deepEqual((await Promise.all(waiting)).map((answer) => (answer as string[])[0]), ['NOERROR', 'NOERROR']);
  assert.deepEqual(await told(server, 'a.example', 'A'), ['NOERROR', '198.18.0.1']);
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
  const port = await udpServer(t, new DnsServer(rig()));
  const stub = new StubResolver({ timeout: 2_000, tries: 1 });
  stub.setServers([`127.0.0.1:${port}`]);
  assert.deepEqual(await stub.resolve4('a.example'), ['198.18.0.1']);
  assert.deepEqual(await stub.resolve6('a.example'), ['fd4d:656e:7475::1']);
  assert.deepEqual(await stub.reverse('198.18.0.1'), ['a.example']);
  await assert.rejects(stub.resolve4('gone.example'), { code: 'ENOTFOUND' });
  await assert.rejects(stub.resolveTxt('denied.example'), { code: 'EREFUSED' });
  await assert.rejects(stub.resolveMx('a.example'), { code: 'ENODATA' });
});
