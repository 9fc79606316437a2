/** Data of records as text, from what another codec has written. How BIND shows them is held against this in `test/e2e/protocols/dns.test.ts`. */
import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { test } from 'node:test';
import { Malformed, nameAt, nameBytes, nameText, sameNames } from '../../../core/dns/name.ts';
import { dataText } from '../../../core/dns/rdata.ts';
import { readMessage } from '../../../core/dns/wire.ts';
import { swollenAnswer } from './swollen-answer.ts';

const digest = Buffer.from('0123456789abcdef', 'hex');
const CASES: readonly (readonly [type: string, data: unknown, text: string])[] = [
  ['NS', 'ns.example', 'ns.example.'],
  ['PTR', 'a.example', 'a.example.'],
  ['SOA', { mname: 'ns.example', rname: 'x.y.example', serial: 4_294_967_295, refresh: 2, retry: 3, expire: 4, minimum: 5 }, 'ns.example. x.y.example. 4294967295 2 3 4 5'],
  ['MX', { preference: 10, exchange: '.' }, '10 .'],
  ['TXT', [Buffer.from('grün'), Buffer.from([0, 255, 34]), Buffer.alloc(0)], '"grün" "\\000\\255\\"" ""'],
  ['SRV', { priority: 1, weight: 2, port: 65_535, target: 'a.example' }, '1 2 65535 a.example.'],
  ['CAA', { flags: 128, tag: 'iodef', value: 'mailto:a@example' }, '128 iodef "mailto:a@example"'],
  ['NAPTR', { order: 1, preference: 2, flags: 'U', services: 'E2U+sip', regexp: '!^.*$!sip:a@example!', replacement: '.' }, '1 2 "U" "E2U+sip" "!^.*$!sip:a@example!" .'],
  ['DS', { keyTag: 1, algorithm: 13, digestType: 2, digest }, '1 13 2 0123456789abcdef'],
  ['DNSKEY', { flags: 257, algorithm: 13, key: digest }, '257 3 13 ASNFZ4mrze8='],
  ['TLSA', { usage: 3, selector: 1, matchingType: 1, certificate: digest }, '3 1 1 0123456789abcdef'],
  ['SSHFP', { algorithm: 4, hash: 1, fingerprint: 'aa'.repeat(20) }, `4 1 ${'aa'.repeat(20)}`],
  ['HINFO', { cpu: 'a b', os: '' }, '"a b" ""'],
  ['RP', { mbox: 'a.example', txt: 'b.example' }, 'a.example. b.example.'],
  ['RRSIG', { typeCovered: 'AAAA', algorithm: 13, labels: 2, originalTTL: 60, expiration: 1_800_000_000, inception: 0, keyTag: 9, signersName: 'example', signature: digest }, 'AAAA 13 2 60 20270115080000 19700101000000 9 example. ASNFZ4mrze8='],
  ['NSEC', { nextDomain: 'b.example', rrtypes: ['A', 'MX', 'AAAA', 'CAA'] }, 'b.example. A MX AAAA CAA'],
  ['NSEC3', { algorithm: 1, flags: 0, iterations: 5, salt: digest, nextDomain: Buffer.from('f0123456789abcdef0123456789abcdef0123456', 'hex'), rrtypes: ['A'] }, '1 0 5 0123456789abcdef U0938LJOJAUDTS0I6HB7H6LSRRO14D2M A'],
  ['UNKNOWN_10', digest, '\\# 8 0123456789abcdef'],
  ['UNKNOWN_65280', Buffer.alloc(0), '\\# 0'],
  ['UNKNOWN_108', Buffer.from('00005e005301', 'hex'), '00-00-5e-00-53-01'],
  ['UNKNOWN_1', Buffer.from([1, 2, 3]), '\\# 3 010203'],
  ['UNKNOWN_16', Buffer.from([5, 65]), '\\# 2 0541'],
  ['UNKNOWN_257', Buffer.from([0, 9, 65]), '\\# 3 000941'],
  ['UNKNOWN_64', Buffer.from([0, 0, 1, 97, 0]), '0 a.'],
  ['UNKNOWN_65', Buffer.from('0001000001000502683203612c62', 'hex'), '\\# 14 0001000001000502683203612c62'],
  ['UNKNOWN_65', Buffer.from('00010000020000000700102f646e732d71756572797b3f646e737d', 'hex'), '1 . no-default-alpn dohpath=/dns-query{?dns}'],
];

test('every type is shown as zone files have it, and what is not as its type has it in hex', () => {
  for (const [type, data, text] of CASES) {
    const message = codec.encode({ type: 'response', id: 1, answers: [{ type, name: 'a.example', ttl: 1, data } as unknown as codec.Answer] });
    const [record] = readMessage(message).answers;
    assert.equal(dataText(record!.type, record!.data), text, type);
  }
});

test('data that are too long once their names are whole are refused', () => {
  const question = Buffer.concat([nameBytes('a.example'), Buffer.from([0, 16, 0, 1])]);
  assert.equal(swollenAnswer(1, question).length, 65_535);
  assert.throws(() => readMessage(swollenAnswer(1, question)), { constructor: Malformed, message: 'the data of a record are longer than 65,535 bytes' });
  const [record] = readMessage(swollenAnswer(1, question, 65_535 - 253)).answers;
  assert.deepEqual([record!.data.length, nameAt(record!.data, 18).end], [65_535, 18 + 255]);
});

test('names: pointers lead backwards, lengths are bounded, and odd letters are escaped', () => {
  const name = Buffer.concat([nameBytes('B.Example'), Buffer.from([1, 97, 0xc0, 0])]);
  assert.deepEqual([nameText(nameAt(name, 11).name), nameAt(name, 11).end], ['a.B.Example', 15]);
  assert.ok(sameNames(nameAt(name, 0).name, nameBytes('b.eXAMPLE')));
  assert.ok(!sameNames(nameBytes('é.example'), nameBytes('É.example')));
  assert.equal(nameText(Buffer.from('\x04a.b \x03"\x00\xe9\x00', 'latin1')), 'a\\.b\\032.\\"\\000\\233');
  for (const bytes of [[0xc0, 0], [1, 97, 0xc0, 2], [0xc0, 2, 0xc0, 0], [0x40, 0], [0x80], [5, 97], [1, 97], [0xc0], Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? 1 : 97))]) {
    assert.throws(() => nameAt(Buffer.from(bytes), 0), Malformed, String(bytes));
  }
  const chain = Buffer.from([0, ...Array.from({ length: 128 }, (_, i) => [0xc0 | (Math.max(0, 2 * i - 1) >> 8), Math.max(0, 2 * i - 1) & 0xff]).flat()]);
  assert.deepEqual(nameAt(chain, 1 + 2 * 126), { name: Buffer.from([0]), end: 1 + 2 * 127 });
  assert.throws(() => nameAt(chain, 1 + 2 * 127), Malformed, 'more pointers than a name has labels');
  const longest = nameBytes(Array.from({ length: 127 }, () => 'a').join('.'));
  assert.deepEqual([longest.length, nameAt(longest, 0).name], [255, longest]);
  for (const text of ['a..b', 'a'.repeat(64), Array.from({ length: 128 }, () => 'a').join('.')]) assert.throws(() => nameBytes(text), Malformed, text);
});
