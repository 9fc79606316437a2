import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { createSocket } from 'node:dgram';
import { Resolver as StubResolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { SyntheticPool } from '../../../core/dns/pool.ts';
import { DnsServer, type DnsServerOptions } from '../../../core/dns/server.ts';
import { serveDnsOverTcp } from '../../../core/dns/tcp.ts';
import { Dialler } from '../../../core/upstream/dialler.ts';
import { Resolver, type Lookup } from '../../../core/upstream/resolver.ts';

const NAMES: Record<string, string[] | string> = {
  'a.example': ['8.8.8.8'],
  'b.example': ['8.8.4.4', '2606:4700::1', '10.0.0.1'],
  'private.example': ['10.0.0.1'],
  'again.example': 'EAI_AGAIN',
  'many.example': Array.from({ length: 60 }, (_, i) => `8.8.8.${i}`),
};

interface Rig extends DnsServerOptions {
  asked: string[];
  judged: string[];
}

function rig(options: Partial<DnsServerOptions> = {}): Rig {
  const asked: string[] = [];
  const judged: string[] = [];
  const lookup: Lookup = (name, _options, done) => {
    asked.push(name);
    const answer = NAMES[name] ?? 'ENOTFOUND';
    if (typeof answer === 'string') done(Object.assign(new Error(answer), { code: answer }), []);
    else done(null, answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  };
  const dialler = new Dialler({ resolver: new Resolver({ lookup }), hosts: { 'pinned.example': '127.0.0.1:8443' } });
  const judge = async (name: string): Promise<'allow' | 'deny'> => {
    judged.push(name);
    if (name === 'broken.example') throw new Error('broken');
    return name.startsWith('denied') ? 'deny' : 'allow';
  };
  return { pool: new SyntheticPool(), dialler, judge, ...options, asked, judged };
}

type Reply = codec.DecodedPacket & { rcode: string; flag_tc: boolean };

async function ask(server: DnsServer, name: string, type: string, extra: object = {}, transport: 'udp' | 'tcp' = 'udp'): Promise<Reply> {
  const query = codec.encode({ type: 'query', id: 4711, flags: codec.RECURSION_DESIRED, questions: [{ name, type: type as 'A' }], ...extra });
  const response = await server.answer(query, transport);
  assert(response, 'no response');
  const reply = codec.decode(response) as Reply;
  assert.equal(reply.id, 4711);
  assert.equal(reply.type, 'response');
  return reply;
}

async function told(server: DnsServer, name: string, type: string): Promise<unknown> {
  const { rcode, answers } = await ask(server, name, type);
  return [rcode, ...answers!.map((answer) => (answer as { data: unknown }).data)];
}

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

test('without a pool the answers are the real, vetted addresses', async () => {
  const server = new DnsServer(rig({ pool: null }));
  assert.deepEqual(await told(server, 'b.example', 'A'), ['NOERROR', '8.8.4.4']);
  assert.deepEqual(await told(server, 'b.example', 'AAAA'), ['NOERROR', '2606:4700::1']);
  assert.deepEqual(await told(server, 'a.example', 'AAAA'), ['NOERROR']);
  assert.deepEqual(await told(server, 'private.example', 'A'), ['NOERROR']);
  assert.deepEqual(await told(server, 'gone.example', 'A'), ['NXDOMAIN']);
  assert.deepEqual(await told(server, 'denied.example', 'A'), ['REFUSED']);
});

test('EDNS is answered in kind, an unknown version with BADVERS', async () => {
  const server = new DnsServer(rig());
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 4_096, flags: 0, options: [{ code: 10, data: Buffer.alloc(8) }] };
  const { additionals, rcode } = await ask(server, 'a.example', 'A', { additionals: [opt] });
  assert.equal(rcode, 'NOERROR');
  assert.equal((additionals![0] as codec.OptAnswer).udpPayloadSize, 1_232);
  assert.deepEqual((await ask(server, 'a.example', 'A')).additionals, []);
  const bad = await ask(server, 'a.example', 'A', { additionals: [{ ...opt, ednsVersion: 1 }] });
  assert.equal((bad.additionals![0] as codec.OptAnswer).extendedRcode, 1);
  assert.deepEqual(bad.answers, []);
});

test('an answer that does not fit is truncated over UDP and whole over TCP', async () => {
  const many = (NAMES['many.example'] as string[]).map((address) => ({ address, family: 4 }));
  const dialler = { resolve: async (host: string) => ({ host, addresses: many, pin: null, refused: 0, byProxy: false, ms: 0 }) };
  const server = new DnsServer(rig({ pool: null, dialler }));
  const udp = await ask(server, 'many.example', 'A');
  assert.equal(udp.flag_tc, true);
  assert.deepEqual(udp.answers, []);
  const edns = await ask(server, 'many.example', 'A', { additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 65_535, flags: 0, options: [] }] });
  assert.equal(edns.flag_tc, true, '60 records of 28 bytes are more than 1232');
  const tcp = await ask(server, 'many.example', 'A', {}, 'tcp');
  assert.equal(tcp.flag_tc, false);
  assert.equal(tcp.answers!.length, 60);
});

test('what is no query is dropped, and what is a bad one is told so', async () => {
  const server = new DnsServer(rig());
  const code = async (message: Buffer): Promise<string | null> => {
    const response = await server.answer(message, 'udp');
    return response && (codec.decode(response) as Reply).rcode;
  };
  const good = codec.encode({ type: 'query', id: 1, questions: [{ name: 'a.example', type: 'A' }] });
  const changed = (change: (message: Buffer) => void): Buffer => {
    const copy = Buffer.from(good);
    change(copy);
    return copy;
  };
  assert.equal(await code(good), 'NOERROR');
  assert.equal(await code(Buffer.alloc(0)), null);
  assert.equal(await code(good.subarray(0, 11)), null);
  assert.equal(await code(changed((m) => m.writeUInt16BE(0x8000, 2))), null, 'a response');
  assert.equal(await code(changed((m) => m.writeUInt16BE(4 << 11, 2))), 'NOTIMP', 'NOTIFY');
  assert.equal(await code(changed((m) => m.writeUInt16BE(5 << 11, 2))), 'NOTIMP', 'UPDATE');
  assert.equal(await code(changed((m) => m.writeUInt16BE(0, 4))), 'FORMERR', 'no question');
  assert.equal(await code(changed((m) => m.writeUInt16BE(2, 4))), 'FORMERR', 'two questions');
  assert.equal(await code(changed((m) => m.writeUInt16BE(1, 6))), 'FORMERR', 'an answer');
  assert.equal(await code(changed((m) => m.writeUInt16BE(0xc00c, 12))), 'FORMERR', 'a pointer to itself');
  assert.equal(await code(changed((m) => (m[13] = 0x2e))), 'FORMERR', 'a dot in a label');
  assert.equal(await code(changed((m) => (m[13] = 0xff))), 'FORMERR', 'a byte that is no text');
  assert.equal(await code(good.subarray(0, -3)), 'FORMERR', 'cut off');
  assert.equal(await code(changed((m) => m.writeUInt16BE(3, m.length - 2))), 'REFUSED', 'class CH');
});

test('10,000 random and mutated messages neither crash it nor get a reply that cannot be read', async () => {
  const server = new DnsServer(rig());
  let seed = 1;
  const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const good = codec.encode({ type: 'query', id: 1, questions: [{ name: 'a.example', type: 'A' }], additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1_232, flags: 0, options: [] } as never] });
  let replies = 0;
  for (let round = 0; round < 10_000; round += 1) {
    const message = round % 2 === 0 ? Buffer.from(Array.from({ length: next(80) }, () => next(256))) : Buffer.from(good);
    if (round % 2 === 1) for (let flips = 1 + next(3); flips > 0; flips -= 1) message[next(message.length)] = next(256);
    const response = await server.answer(message, 'udp');
    if (response === null) continue;
    replies += 1;
    assert.equal(response.readUInt16BE(0), message.readUInt16BE(0));
    assert(response.length <= 1_232);
    codec.decode(response);
  }
  assert(replies > 1_000, String(replies));
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

test('messages over TCP are served in order, in whatever pieces they come, until the client ends', async (t) => {
  const server = new DnsServer(rig());
  const listener = createServer((socket) => void serveDnsOverTcp(server, socket, { idleMs: 300 }));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const { port } = listener.address() as AddressInfo;
  const framed = (id: number, name: string): Buffer => codec.streamEncode({ type: 'query', id, questions: [{ name, type: 'A' }] });

  const client = connect(port, '127.0.0.1');
  const received: Buffer[] = [];
  client.on('data', (chunk: Buffer) => received.push(chunk));
  const first = framed(1, 'a.example');
  client.write(first.subarray(0, 1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.write(Buffer.concat([first.subarray(1), framed(2, 'gone.example'), framed(3, 'b.example').subarray(0, 9)]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.write(framed(3, 'b.example').subarray(9));
  client.end();
  await once(client, 'close');
  let bytes = Buffer.concat(received);
  const replies: unknown[] = [];
  while (bytes.length > 0) {
    const { id, rcode } = codec.streamDecode(bytes) as unknown as Reply;
    replies.push([id, rcode]);
    bytes = bytes.subarray(2 + bytes.readUInt16BE(0));
  }
  assert.deepEqual(replies, [[1, 'NOERROR'], [2, 'NXDOMAIN'], [3, 'NOERROR']]);

  const idle = connect(port, '127.0.0.1');
  const start = performance.now();
  idle.resume();
  await once(idle, 'close');
  assert(performance.now() - start < 2_000, 'an idle connection is closed');
});
