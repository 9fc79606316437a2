/** Types that are looked up on the host, against a foreign server: what it is asked, and what the guest gets of its answers. */
import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { test } from 'node:test';
import { NameServers } from '../../../core/dns/name-servers.ts';
import { parseNameServer } from '../../../core/names/name-server.ts';
import { nameServer, type NameServer } from './name-server.ts';
import { ask, query, response, rig, told, type Reply, type Rig } from './dns-rig.ts';
import { swollenAnswer } from './swollen-answer.ts';

const DO = { additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 4_096, flags: codec.DNSSEC_OK, options: [{ code: 8, data: Buffer.from([0, 1, 24, 0, 192, 0, 2]) }] }] };
const asking = (...servers: readonly NameServer[]): Rig => rig({ nameServers: new NameServers(servers.map(({ address }) => address)), http3: () => true });
const rrsig = (typeCovered: string): object => ({ type: 'RRSIG', name: 'a.example', ttl: 30, data: { typeCovered, algorithm: 13, labels: 2, originalTTL: 30, expiration: 1_800_000_000, inception: 1_700_000_000, keyTag: 7, signersName: 'example', signature: Buffer.alloc(64, 7) } });

test('the question goes on as it was asked, without what else came with it; the answer comes back with its chain and its bits', async () => {
  const answers = [{ type: 'CNAME', name: 'a.example', ttl: 5, data: 'b.example' }, { type: 'MX', name: 'b.example', ttl: 30, data: { preference: 10, exchange: 'mail.b.example' } }];
  const additionals = [{ type: 'A', name: 'mail.b.example', ttl: 30, data: '203.0.113.9' }, { type: 'AAAA', name: 'mail.b.example', ttl: 30, data: '2001:db8::9' }];
  await using upstream = await nameServer(() => ({ flags: codec.AUTHORITATIVE_ANSWER | codec.AUTHENTIC_DATA, answers, additionals }));
  const { server, records, asked } = asking(upstream);
  const reply = (await ask(server, 'A.example', 'MX', { flags: codec.RECURSION_DESIRED | codec.CHECKING_DISABLED, ...DO })) as Reply & { flag_aa: boolean };
  assert.deepEqual(reply.answers!.map((answer) => [answer.type, answer.name, (answer as codec.StringAnswer).ttl, (answer as codec.StringAnswer).data]), answers.map(({ type, name, ttl, data }) => [type, name, ttl, data]));
  assert.deepEqual([reply.flag_aa, reply.flag_ad, reply.flag_cd, reply.additionals!.map(({ type }) => type)], [true, false, true, ['OPT']], 'addresses are left out, so the whole is not authentic');
  const [{ packet, transport }] = upstream.asked as [(typeof upstream.asked)[0]];
  const opt = packet.additionals![0] as codec.OptAnswer & { flag_do: boolean };
  assert.deepEqual([packet.questions![0]!.name, transport, packet.flag_cd, opt.flag_do, opt.udpPayloadSize, opt.options], ['A.example', 'udp', true, true, 1_232, []]);
  assert.notEqual(packet.id, 4_711);
  assert.deepEqual(asked, [], 'and nothing else is looked up');
  const [record] = records;
  const port = Number(upstream.address.split(':')[1]);
  assert.deepEqual([record!.outcome, record!.upstream], ['completed', { address: '127.0.0.1', port, http_version: null, reused: false, tls: null }]);
  assert.deepEqual(record!.dns, {
    transport: 'udp', name: 'a.example', type: 'MX', class: 'IN', code: 'NOERROR', synthetic: false, truncated: false, edns: { version: 0, payload_size: 4_096, dnssec_ok: true },
    answers: [{ name: 'a.example', type: 'CNAME', ttl: 5, data: 'b.example.' }, { name: 'b.example', type: 'MX', ttl: 30, data: '10 mail.b.example.' }],
  });
});

test('an authentic answer stays one, with its signatures; those of addresses go with them', async () => {
  await using upstream = await nameServer(({ packet }) => ({
    flags: codec.AUTHENTIC_DATA,
    answers: [{ type: 'TXT', name: 'a.example', ttl: 30, data: ['text'] }, rrsig('TXT'), ...(packet.questions![0]!.type === ('ANY' as string) ? [{ type: 'A', name: 'a.example', ttl: 30, data: '203.0.113.9' }, rrsig('A')] : [])],
  }));
  const { server } = asking(upstream);
  const types = async (type: string): Promise<unknown[]> => {
    const { answers, flag_ad: authentic } = await ask(server, 'a.example', type, DO);
    return [authentic, ...answers!.map((answer) => (answer.type === 'RRSIG' ? `RRSIG of ${answer.data.typeCovered}` : answer.type))];
  };
  assert.deepEqual(await types('TXT'), [true, 'TXT', 'RRSIG of TXT']);
  assert.deepEqual(await types('ANY'), [false, 'TXT', 'RRSIG of TXT']);
});

test('service records lose their addresses and the keys of ECH, and nothing else', async () => {
  const param = (key: number, value: Buffer): Buffer => Buffer.concat([Buffer.from([key >> 8, key & 255, value.length >> 8, value.length & 255]), value]);
  const rest = [param(1, Buffer.from('\x02h3\x02h2')), param(3, Buffer.from([32, 251])), param(65_280, Buffer.from('x'))];
  const head = Buffer.from([0, 1, 0]);
  const whole = Buffer.concat([head, param(0, Buffer.from([0, 1, 0, 4, 0, 5])), rest[0]!, rest[1]!, param(4, Buffer.from([203, 0, 113, 9])), param(5, Buffer.from('keys')), param(6, Buffer.alloc(16, 1)), rest[2]!]);
  const plain = Buffer.concat([head, ...rest]);
  await using upstream = await nameServer(() => ({ flags: codec.AUTHENTIC_DATA, answers: [{ type: 'UNKNOWN_65', name: 'a.example', ttl: 30, data: whole }, rrsig('UNKNOWN_65')] }));
  const { server, records } = asking(upstream);
  const { answers, flag_ad: authentic } = await ask(server, 'a.example', 'UNKNOWN_65', DO);
  assert.deepEqual([authentic, answers!.map(({ type }) => type)], [false, ['UNKNOWN_65']]);
  assert.deepEqual((answers![0] as unknown as codec.BufferAnswer).data, Buffer.concat([head, param(0, Buffer.from([0, 1])), ...rest]));
  assert.deepEqual(records[0]!.dns!.answers[0], { name: 'a.example', type: 'HTTPS', ttl: 30, data: '1 . mandatory=alpn alpn=h3,h2 port=8443 key65280=x' });
  await using clean = await nameServer(() => ({ flags: codec.AUTHENTIC_DATA, answers: [{ type: 'UNKNOWN_65', name: 'a.example', ttl: 30, data: plain }, rrsig('UNKNOWN_65')] }));
  assert.deepEqual([(await ask(asking(clean).server, 'a.example', 'UNKNOWN_65', DO)).flag_ad, (await ask(asking(clean).server, 'a.example', 'UNKNOWN_65', DO)).answers!.length], [true, 2], 'what is not changed stays as it is');
});

test('HTTP/3 is offered where the guest can reach us by it, and nowhere else', async () => {
  const param = (key: number, value: string): Buffer => Buffer.concat([Buffer.from([0, key, 0, value.length]), Buffer.from(value, 'latin1')]);
  const data = (...params: Buffer[]): Buffer => Buffer.concat([Buffer.from([0, 1, 0]), ...params]);
  const records: Record<string, Buffer> = {
    'both.example': data(param(0, '\0\x01'), param(1, '\x02h3\x05h3-29\x02h2')),
    'only.example': data(param(1, '\x02h3'), param(3, '\x20\xfb')),
    'alone.example': data(param(1, '\x02h3'), param(2, '')),
    'none.example': data(param(1, '\x02h2\x03h30')),
  };
  await using upstream = await nameServer(({ packet }) => ({ answers: [{ type: 'UNKNOWN_65', name: packet.questions![0]!.name, ttl: 30, data: records[packet.questions![0]!.name] }] }));
  let http3 = false;
  const { server, records: flows } = rig({ nameServers: new NameServers([upstream.address]), http3: () => http3 });
  const shown = async (): Promise<unknown[]> => {
    for (const name of Object.keys(records)) await ask(server, name, 'UNKNOWN_65');
    return flows.splice(0).map(({ dns }) => dns!.answers[0]?.data);
  };
  assert.deepEqual(await shown(), ['1 . mandatory=alpn alpn=h2', '1 . port=8443', undefined, '1 . alpn=h2,h30']);
  // QUIC is ready some time after the guest has started.
  http3 = true;
  assert.deepEqual(await shown(), ['1 . mandatory=alpn alpn=h3,h3-29,h2', '1 . alpn=h3 port=8443', '1 . alpn=h3 no-default-alpn', '1 . alpn=h2,h30']);
});

test('what does not fit the server\'s datagram is fetched over TCP, and whole for who takes it', async () => {
  const answers = Array.from({ length: 200 }, (_, i) => ({ type: 'TXT', name: 'a.example', ttl: 30, data: [`text number ${i}`] }));
  await using upstream = await nameServer(({ transport }) => (transport === 'udp' ? { flags: codec.TRUNCATED_RESPONSE } : { answers }));
  const { server, records } = asking(upstream);
  const udp = await ask(server, 'a.example', 'TXT');
  assert.deepEqual([udp.flag_tc, udp.answers], [true, []]);
  const tcp = await ask(server, 'a.example', 'TXT', {}, 'tcp');
  assert.deepEqual([tcp.flag_tc, tcp.answers!.length], [false, 200]);
  assert.deepEqual(records.map(({ dns }) => [dns!.truncated, dns!.answers.length]), [[true, 0], [false, 200]]);
  assert.deepEqual(upstream.asked.map(({ transport }) => transport), ['udp', 'tcp', 'udp', 'tcp']);
});

test('answers to another question, or with another id, and what cannot be read, are not taken', async () => {
  const forged = (packet: codec.DecodedPacket, change: object): Buffer => codec.encode({ type: 'response', id: packet.id!, questions: packet.questions!, answers: [{ type: 'TXT', name: 'a.example', ttl: 30, data: ['forged'] }], ...change });
  await using upstream = await nameServer(({ packet }) => [
    forged(packet, { id: (packet.id! + 1) & 0xffff }),
    forged(packet, { type: 'query' }),
    forged(packet, { questions: [{ name: 'b.example', type: 'TXT' }] }),
    forged(packet, { questions: [{ name: 'a.example', type: 'MX' }] }),
    forged(packet, { questions: [] }),
    forged(packet, {}).subarray(0, -3),
    Buffer.from('no DNS'),
    codec.encode({ type: 'response', id: packet.id!, questions: packet.questions!, answers: [{ type: 'TXT', name: 'a.example', ttl: 30, data: ['true'] }] }),
  ]);
  const { answers } = await ask(asking(upstream).server, 'a.example', 'TXT');
  assert.deepEqual(answers!.map((answer) => String((answer as { data: Buffer[] }).data)), ['true']);
});

test('a server that does not help is followed by the next; where none does, it is SERVFAIL within its time', async () => {
  await using silent = await nameServer(() => null);
  await using refusing = await nameServer(() => ({ flags: 5 }));
  await using unknown = await nameServer(() => ({ flags: 3 }));
  const gone = { address: '127.0.0.1:1' } as NameServer;
  const { server, records } = asking(gone, refusing, unknown);
  assert.deepEqual(await told(server, 'a.example', 'MX'), ['NXDOMAIN']);
  assert.deepEqual([records[0]!.outcome, records[0]!.dns!.code], ['completed', 'NXDOMAIN']);
  assert.deepEqual(await told(asking(refusing).server, 'a.example', 'MX'), ['REFUSED'], 'the last one that answered');
  const start = performance.now();
  const late = asking(silent);
  assert.deepEqual(await told(late.server, 'a.example', 'MX'), ['SERVFAIL']);
  assert.ok(performance.now() - start < 5_000, 'before a client asks again');
  assert.deepEqual([late.records[0]!.outcome, late.records[0]!.error!.code], ['failed', 'dns_lookup_failed']);
  assert.match(late.records[0]!.error!.message, /a\.example was not looked up: 127\.0\.0\.1, port \d+: no answer within/);
  assert.deepEqual(await told(asking().server, 'a.example', 'MX'), ['SERVFAIL']);
});

test('an answer that is longer when it is read than one can be is none, and its flow has its record', async () => {
  await using upstream = await nameServer(({ transport }, bytes) => (transport === 'udp' ? { flags: codec.TRUNCATED_RESPONSE } : swollenAnswer(bytes.readUInt16BE(0), bytes.subarray(12, -11))));
  const { server, records } = asking(upstream);
  for (const transport of ['tcp', 'udp'] as const) assert.equal((await ask(server, 'a.example', 'RRSIG', {}, transport)).rcode, 'SERVFAIL');
  assert.deepEqual(records.map(({ outcome, error, dns }) => [outcome, error!.code, dns!.code]), Array(2).fill(['failed', 'dns_lookup_failed', 'SERVFAIL']));
  assert.match(records[0]!.error!.message, /its answer cannot be read/);
});

test('an answer that is cut off over TCP as well is no answer, and the next server is asked', async () => {
  const answers = [{ type: 'TXT', name: 'a.example', ttl: 30, data: ['text'] }];
  await using cut = await nameServer(() => ({ flags: codec.TRUNCATED_RESPONSE, answers }));
  await using whole = await nameServer(() => ({ answers }));
  const { server, records } = asking(cut);
  const { rcode, flag_tc: isCut } = await ask(server, 'a.example', 'TXT', {}, 'tcp');
  assert.deepEqual([rcode, isCut, records[0]!.outcome, records[0]!.error!.code, records[0]!.dns!.code], ['SERVFAIL', false, 'failed', 'dns_lookup_failed', 'SERVFAIL']);
  assert.match(records[0]!.error!.message, /its answer is cut off, over TCP too/);
  assert.equal(((await told(asking(cut, whole).server, 'a.example', 'TXT')) as string[])[0], 'NOERROR');
});

test('a server that does not know EDNS is asked without it, also where it sends nothing but a header', async () => {
  const bare = (code: number, bytes: Buffer, id = bytes.readUInt16BE(0)): Buffer => {
    const header = Buffer.alloc(12);
    header.writeUInt16BE(id, 0);
    header.writeUInt16BE(0x8000 | code, 2);
    return header;
  };
  const answers = [{ type: 'MX', name: 'a.example', ttl: 30, data: { preference: 10, exchange: 'b.example' } }];
  for (const refuse of [(bytes: Buffer) => bare(1, bytes), (bytes: Buffer) => bare(4, bytes), () => ({ flags: 1 }), () => ({ flags: 4 })]) {
    await using old = await nameServer(({ packet }, bytes) => (packet.additionals!.length > 0 ? refuse(bytes) : { answers }));
    const { server, records } = asking(old);
    assert.equal((await ask(server, 'a.example', 'MX', DO)).answers!.length, 1);
    assert.deepEqual([records[0]!.dns!.code, records[0]!.dns!.edns!.dnssec_ok, old.asked.length], ['NOERROR', true, 2]);
  }
  await using never = await nameServer((_, bytes) => [bare(1, bytes, bytes.readUInt16BE(0) ^ 1), bare(0, bytes), bare(3, bytes), bare(1, bytes)]);
  const { server, records } = asking(never);
  assert.deepEqual(await told(server, 'a.example', 'MX'), ['FORMERR'], 'it is not asked for ever');
  assert.deepEqual([records[0]!.dns!.code, never.asked.length], ['FORMERR', 2]);
});

test('of a name that the host finds no address for, its servers say whether it exists', async () => {
  const soa = { type: 'SOA', name: 'example', ttl: 60, data: { mname: 'ns.example', rname: 'x.example', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 30 } };
  const alias = { type: 'CNAME', name: 'alias.example', ttl: 5, data: 'gone.example' };
  await using upstream = await nameServer(({ packet }) => {
    const { name, type } = packet.questions![0]!;
    if (name === 'unclear.example') return { flags: 5 };
    if (name === 'mail.example') return type === 'MX' ? { answers: [{ type, name, ttl: 5, data: { preference: 10, exchange: 'mx.example' } }] } : { authorities: [soa] };
    if (name === 'found.example') return { answers: [{ type: 'A', name, ttl: 5, data: '203.0.113.9' }] };
    return { flags: 3, authorities: [soa], answers: name === 'alias.example' ? [alias] : [] };
  });
  const { server, pool, records } = asking(upstream);
  assert.deepEqual([await told(server, 'mail.example', 'A'), await told(server, 'mail.example', 'AAAA')], [['NOERROR'], ['NOERROR']]);
  assert.equal(((await told(server, 'mail.example', 'MX')) as string[])[0], 'NOERROR');
  const gone = await ask(server, 'gone.example', 'A');
  assert.deepEqual([gone.rcode, gone.authorities!.map(({ type }) => type)], ['NXDOMAIN', ['SOA']], 'it says for how long');
  assert.deepEqual(await told(server, 'alias.example', 'A'), ['NXDOMAIN', 'gone.example'], 'of what the alias stands for');
  assert.deepEqual([await told(server, 'unclear.example', 'A'), await told(asking().server, 'gone.example', 'A')], [['NOERROR'], ['NOERROR']], 'where nobody says that it does not exist');
  assert.deepEqual([await told(server, 'found.example', 'A'), pool.size], [['NOERROR'], 0], 'no address but ours');
  assert.deepEqual(records.map(({ outcome, upstream: asked, dns }) => [outcome, asked?.address, dns!.code, dns!.synthetic]).slice(0, 2), Array(2).fill(['completed', '127.0.0.1', 'NOERROR', false]));
});

test('what asks for no records is not passed on; the root is, as a name of its own', async () => {
  await using upstream = await nameServer(() => ({ answers: [{ type: 'NS', name: '.', ttl: 30, data: 'a.root.example' }] }));
  const { server, judged, records } = asking(upstream);
  for (const type of ['AXFR', 'IXFR', 'TSIG', 'OPT']) assert.equal((await ask(server, 'a.example', type)).rcode, 'NOTIMP', type);
  assert.equal(upstream.asked.length, 0);
  assert.deepEqual(await told(server, '.', 'NS'), ['NOERROR', 'a.root.example']);
  assert.equal(judged.at(-1), '.');
  assert.deepEqual([records.at(-1)!.server.name, records.at(-1)!.dns!.name], ['.', '']);
  assert.deepEqual(records[0]!.error!.code, 'dns_unsupported');
});

test('to close ends what is asked at once', async () => {
  await using silent = await nameServer(() => null);
  const nameServers = new NameServers([silent.address]);
  const { server, records } = rig({ nameServers });
  const waiting = response(server, query('a.example', 'MX'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.close();
  nameServers.close();
  assert.equal(await waiting, null);
  assert.deepEqual(records.map(({ outcome, error }) => [outcome, error!.code]), [['aborted', 'shutting_down']]);
});

test('addresses of servers, with and without a port', () => {
  assert.deepEqual(['192.0.2.1', '192.0.2.1:5353', '2001:db8::1', '[2001:DB8::1]:5353', 'fe80::1%eth0', '[fe80::1%eth0]:53'].map((text) => parseNameServer(text)), [
    { address: '192.0.2.1', port: 53 }, { address: '192.0.2.1', port: 5353 }, { address: '2001:db8::1', port: 53 }, { address: '2001:db8::1', port: 5353 }, { address: 'fe80::1%eth0', port: 53 }, { address: 'fe80::1%eth0', port: 53 },
  ]);
  for (const text of ['', 'localhost', '192.0.2.1:0', '192.0.2.1:x', '[2001:db8::1', 'dns.example:53', '1.2.3.4:53:53']) assert.equal(parseNameServer(text), null, text);
});
