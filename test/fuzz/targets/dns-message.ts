import * as codec from 'dns-packet';
import { jsonAnswer, jsonQuestion } from '../../../core/dns/json-answer.ts';
import { decodeQuery, dnsRecord, encodeResponse, emptyResponse } from '../../../core/dns/message.ts';
import { Malformed } from '../../../core/dns/name.ts';
import { answerTo, passedAnswer } from '../../../core/dns/passed-answer.ts';
import { readMessage, writeMessage } from '../../../core/dns/wire.ts';
import { swollenAnswer } from '../../core/dns/swollen-answer.ts';
import type { FuzzTarget } from '../target.ts';

const name = 'a.b.example';
const OPT = { type: 'OPT', name: '.', udpPayloadSize: 1_232, flags: codec.DNSSEC_OK, options: [{ code: 10, data: Buffer.alloc(8) }] };
const query = codec.encode({ type: 'query', id: 7, flags: codec.RECURSION_DESIRED, questions: [{ name, type: 'MX' }], additionals: [OPT as unknown as codec.Answer] });
const sig = { algorithm: 13, labels: 2, originalTTL: 30, expiration: 1_800_000_000, inception: 1_700_000_000, keyTag: 7, signersName: 'example', signature: Buffer.alloc(32, 7) };
const service = Buffer.from('000100000100050268330268320003000220fb00040004cb00710700050004616263640006001020010db8000000000000000000000007', 'hex');
const answers = [
  { type: 'CNAME', name, ttl: 5, data: 'c.example' }, { type: 'MX', name, ttl: 5, data: { preference: 1, exchange: name } }, { type: 'TXT', name, ttl: 5, data: ['one', 'two'] },
  { type: 'SRV', name, ttl: 5, data: { priority: 1, weight: 2, port: 3, target: name } }, { type: 'SOA', name, ttl: 5, data: { mname: name, rname: name, serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 } },
  { type: 'CAA', name, ttl: 5, data: { flags: 0, tag: 'issue', value: 'ca.example' } }, { type: 'NAPTR', name, ttl: 5, data: { order: 1, preference: 2, flags: 'S', services: 'SIP', regexp: '', replacement: name } },
  { type: 'RRSIG', name, ttl: 5, data: { typeCovered: 'MX', ...sig } }, { type: 'NSEC3', name, ttl: 5, data: { algorithm: 1, flags: 0, iterations: 1, salt: Buffer.alloc(4), nextDomain: Buffer.alloc(20, 5), rrtypes: ['A', 'MX'] } },
  { type: 'A', name, ttl: 5, data: '203.0.113.7' }, { type: 'UNKNOWN_65', name, ttl: 5, data: service }, { type: 'UNKNOWN_65280', name, ttl: 5, data: Buffer.from('x') },
];
const answer = codec.encode({ type: 'response', id: 7, flags: codec.AUTHENTIC_DATA, questions: [{ name, type: 'MX' }], answers: answers as unknown as codec.Answer[], additionals: [OPT as unknown as codec.Answer] });
const read = readMessage(answer);
/** The same, with pointers. */
const compressed = writeMessage({ ...read, question: answer.subarray(12, 12 + name.length + 2 + 4) })!;
/** As long as one is just taken, and over what a record holds once its name is whole. */
const swollen = swollenAnswer(7, query.subarray(12, 12 + name.length + 2 + 4));
const atLimit = swollenAnswer(7, query.subarray(12, 12 + name.length + 2 + 4), 65_535 - 253);
const json = Buffer.from(JSON.stringify({ Status: 0, TC: false, Question: [{ name, type: 28 }], Answer: [{ name, type: 28, TTL: 30, data: '::1' }] }));
const question = decodeQuery(query)!.question!;
if (!answerTo(question, 7, answer) || !answerTo(question, 7, compressed) || compressed.length >= answer.length) throw new Error('a message of dns-packet is not understood');

const target: FuzzTarget = {
  name: 'DNS',
  inputs: [query, answer, compressed, json, swollen, atLimit],
  parse(input, random) {
    asQuery(input);
    answerTo(question, 7, input);
    jsonAnswer(jsonQuestion(new URLSearchParams(input.toString('latin1'))) ?? jsonQuestion(new URLSearchParams({ name }))!, input.toString('utf8'));
    try {
      const message = readMessage(input);
      // What was read can be written: whole, or it is too long.
      const again = writeMessage({ ...message, question: null });
      if (again && readMessage(again).answers.length !== message.answers.length) throw new Error('it is not written as it was read');
      const passed = passedAnswer(message, random() < 0.5);
      // What is passed on can be read, and what is recorded of it is JSON.
      const { bytes } = encodeResponse(decodeQuery(query)!, passed, 'tcp');
      readMessage(bytes);
      JSON.stringify(dnsRecord('https', null, passed, false));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  },
};
export default target;

/** A query always has an answer that fits. */
function asQuery(input: Buffer): void {
  const asked = decodeQuery(input);
  if (asked === null) return;
  const { bytes } = encodeResponse(asked, emptyResponse(0), 'udp');
  if (bytes.length > 4_096 || bytes.readUInt16BE(0) !== input.readUInt16BE(0)) throw new Error('a response is too long, or another one');
  readMessage(bytes);
  dnsRecord('udp', asked, emptyResponse(0), false);
}
