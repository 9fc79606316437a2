/** Answers that cannot be written: the client is told, and the flow has its one record. */
import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { test } from 'node:test';
import type { WireRecord } from '../../../core/dns/wire.ts';
import { query, response, rig, type Reply } from './dns-rig.ts';

const record = { owner: Buffer.from([1, 97, 0]), type: 16, class: 1, ttl: 60, data: Buffer.alloc(100) };
const CASES: readonly (readonly [what: string, answers: WireRecord[], reason: RegExp])[] = [
  ['data longer than a record has', [{ ...record, data: Buffer.alloc(65_536) }], /it is longer than 65,535 bytes$/],
  ['all of it longer than a message', Array.from({ length: 700 }, () => record), /it is longer than 65,535 bytes$/],
  ['more records than are counted', Array.from({ length: 70_000 }, () => record), /it is longer than 65,535 bytes$/],
  ['a number that is none', [{ ...record, ttl: -1 }], /out of range/],
];

for (const [what, answers, reason] of CASES) {
  test(`SERVFAIL over TCP, and a record: ${what}`, async () => {
    const answer = { id: 1, flags: 0x8180, questions: [], answers, authorities: [], additionals: [] };
    const { server, records } = rig({ nameServers: { ask: async () => ({ answer, server: { address: '192.0.2.53', port: 53 } }) } });
    const reply = codec.decode((await response(server, query('a.example', 'TXT'), 'tcp'))!) as Reply;
    assert.deepEqual([reply.rcode, reply.flag_tc, reply.answers, reply.questions!.length], ['SERVFAIL', false, [], 1]);
    assert.equal(records.length, 1);
    const [{ outcome, error, dns, upstream }] = records as [(typeof records)[0]];
    assert.deepEqual([outcome, error!.code, dns!.code, dns!.answers, dns!.truncated, upstream!.address], ['failed', 'dns_lookup_failed', 'SERVFAIL', [], false, '192.0.2.53']);
    assert.match(error!.message.replace(/\.$/, ''), reason);
    server.close();
  });
}
