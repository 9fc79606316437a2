import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { test } from 'node:test';
import { decodeQuery, emptyResponse, encodeResponse } from '../../../core/dns/message.ts';
import { ask, query, response, rig, type Reply } from './dns-rig.ts';

const OPT = { type: 'OPT', name: '.', udpPayloadSize: 4_096, flags: 0, options: [{ code: 10, data: Buffer.alloc(8) }] };

test('EDNS is answered in kind, an unknown version with BADVERS', async () => {
  const { server, records } = rig();
  const { additionals, rcode } = await ask(server, 'a.example', 'A', { additionals: [{ ...OPT, flags: codec.DNSSEC_OK }] });
  assert.equal(rcode, 'NOERROR');
  const { udpPayloadSize, flag_do: dnssecOk, options } = additionals![0] as codec.OptAnswer & { flag_do: boolean };
  assert.deepEqual([udpPayloadSize, dnssecOk, options], [1_232, true, []]);
  assert.deepEqual((await ask(server, 'a.example', 'A')).additionals, []);
  const bad = await ask(server, 'a.example', 'A', { additionals: [{ ...OPT, ednsVersion: 1 }] });
  assert.equal((bad.additionals![0] as codec.OptAnswer).extendedRcode, 1);
  assert.deepEqual(bad.answers, []);
  assert.deepEqual(records.map(({ outcome, error, dns }) => [outcome, error?.code, dns!.code, dns!.edns]), [
    ['completed', undefined, 'NOERROR', { version: 0, payload_size: 4_096, dnssec_ok: true }],
    ['completed', undefined, 'NOERROR', null],
    ['failed', 'dns_unsupported', 'BADVERS', { version: 1, payload_size: 4_096, dnssec_ok: false }],
  ]);
});

test('an answer that does not fit is truncated over UDP and whole over TCP', () => {
  const reply = (payloadBytes: number | null, transport: 'udp' | 'tcp'): Reply => {
    const asked = decodeQuery(query('many.example', 'A', payloadBytes === null ? {} : { additionals: [{ ...OPT, udpPayloadSize: payloadBytes }] }))!;
    const answers = Array.from({ length: 100 }, (_, host) => ({ owner: asked.question!.owner, type: 1, class: 1, ttl: 60, data: Buffer.from([198, 18, 0, host]) }));
    const { bytes, truncated } = encodeResponse(asked, { ...emptyResponse(0), answers }, transport);
    const decoded = codec.decode(bytes) as Reply;
    assert.equal(decoded.flag_tc, truncated);
    return decoded;
  };
  for (const payloadBytes of [null, 100, 1_232, 1_600]) assert.deepEqual([reply(payloadBytes, 'udp').flag_tc, reply(payloadBytes, 'udp').answers], [true, []], String(payloadBytes));
  for (const whole of [reply(4_096, 'udp'), reply(65_535, 'udp'), reply(null, 'tcp')]) {
    assert.equal(whole.flag_tc, false);
    assert.deepEqual(whole.answers!.map((answer) => [answer.name, (answer as codec.StringAnswer).data]), Array.from({ length: 100 }, (_, host) => ['many.example', `198.18.0.${host}`]));
  }
});

test('what is no query gets no answer, what is a bad one is told so, and each is a flow', async () => {
  const { server, records } = rig();
  const code = async (message: Buffer): Promise<string | null> => {
    const bytes = await response(server, message);
    return bytes && (codec.decode(bytes) as Reply).rcode;
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
  assert.equal(await code(changed((m) => (m[13] = 0x2e))), 'NXDOMAIN', 'a dot in a label');
  assert.equal(await code(changed((m) => (m[13] = 0xff))), 'NXDOMAIN', 'a byte that is no text');
  assert.equal(await code(good.subarray(0, -3)), 'FORMERR', 'cut off');
  assert.equal(await code(changed((m) => m.writeUInt16BE(3, m.length - 2))), 'REFUSED', 'class CH');
  assert.equal(records.length, 14, 'a record for each');
  const shown = records.map(({ outcome, error, dns }) => `${outcome} ${error?.code} ${dns!.class} ${dns!.name} ${dns!.code}`);
  assert.deepEqual(shown.slice(1, 10), [
    'failed dns_malformed   null', 'failed dns_malformed   null', 'failed dns_malformed   null',
    'failed dns_unsupported IN a.example NOTIMP', 'failed dns_unsupported IN a.example NOTIMP',
    'failed dns_malformed   FORMERR', 'failed dns_malformed IN a.example FORMERR', 'failed dns_malformed IN a.example FORMERR', 'failed dns_malformed   FORMERR',
  ]);
  assert.deepEqual(shown.slice(10), ['completed undefined IN \\..example NXDOMAIN', 'completed undefined IN \\255.example NXDOMAIN', 'failed dns_malformed   FORMERR', 'failed dns_unsupported CH a.example REFUSED']);
});

test('10,000 random and mutated messages neither crash it nor get a reply that cannot be read', async () => {
  const { server } = rig();
  let seed = 1;
  const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const good = codec.encode({ type: 'query', id: 1, questions: [{ name: 'a.example', type: 'A' }], additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1_232, flags: 0, options: [] } as never] });
  let replies = 0;
  for (let round = 0; round < 10_000; round += 1) {
    const message = round % 2 === 0 ? Buffer.from(Array.from({ length: next(80) }, () => next(256))) : Buffer.from(good);
    if (round % 2 === 1) for (let flips = 1 + next(3); flips > 0; flips -= 1) message[next(message.length)] = next(256);
    const bytes = await response(server, message);
    if (bytes === null) continue;
    replies += 1;
    assert.equal(bytes.readUInt16BE(0), message.readUInt16BE(0));
    assert(bytes.length <= 4_096);
    codec.decode(bytes);
  }
  assert(replies > 1_000, String(replies));
});
