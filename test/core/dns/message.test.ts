import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { test } from 'node:test';
import { decodeQuery, encodeResponse, type Answer } from '../../../core/dns/message.ts';
import { DnsServer } from '../../../core/dns/server.ts';
import { ask, rig, type Reply } from './dns-rig.ts';

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

test('an answer that does not fit is truncated over UDP and whole over TCP', () => {
  const answers = Array.from({ length: 60 }, (_, host): Answer => ({ type: 'A', name: 'many.example', ttl: 60, data: `198.18.0.${host}` }));
  const reply = (additionals: codec.Answer[], transport: 'udp' | 'tcp'): Reply => {
    const query = decodeQuery(codec.encode({ type: 'query', id: 1, questions: [{ name: 'many.example', type: 'A' }], additionals }))!;
    return codec.decode(encodeResponse(query, { code: 'NOERROR', answers }, transport)) as Reply;
  };
  const udp = reply([], 'udp');
  assert.equal(udp.flag_tc, true);
  assert.deepEqual(udp.answers, []);
  const edns = reply([{ type: 'OPT', name: '.', udpPayloadSize: 65_535, flags: 0, options: [] } as unknown as codec.Answer], 'udp');
  assert.equal(edns.flag_tc, true, '60 records of 28 bytes are more than 1232');
  const tcp = reply([], 'tcp');
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
