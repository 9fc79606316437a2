/** Look-ups over HTTPS in the record, by way of a whole capture: what was asked and answered, in each form that there is. */
import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { DnsRecord } from '../../../core/index.ts';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';

interface Exchange {
  readonly head: string;
  readonly body?: Buffer;
  readonly type: string;
  readonly status?: number;
  readonly coding?: string;
  readonly answer: Buffer | string;
}

async function dnsOf({ head, body = Buffer.alloc(0), type, status = 200, coding, answer }: Exchange): Promise<DnsRecord | undefined> {
  await using origin = await Origin.http((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': type, ...(coding ? { 'content-encoding': coding } : {}) });
      const bytes = Buffer.from(answer);
      response.write(bytes.subarray(0, 3));
      setTimeout(() => response.end(bytes.subarray(3)), 5);
    });
  });
  await using stage = await Stage.open({ 'doh.test': origin });
  const client = await stage.wire('doh.test');
  client.write(`${head}\r\nHost: doh.test\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`);
  client.write(body);
  await client.takeAll();
  return (await stage.record()).dns;
}

const QUERY = codec.encode({ type: 'query', id: 0, flags: codec.RECURSION_DESIRED, questions: [{ name: 'A.example', type: 'AAAA' }], additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1_232, flags: codec.DNSSEC_OK, options: [] } as unknown as codec.Answer] });
const ANSWER = codec.encode({ type: 'response', id: 0, questions: [{ name: 'A.example', type: 'AAAA' }], answers: [{ type: 'CNAME', name: 'A.example', ttl: 60, data: 'b.example' }, { type: 'AAAA', name: 'b.example', ttl: 30, data: '2001:db8::9' }] });
const POST = 'POST /dns-query HTTP/1.1\r\nContent-Type: application/dns-message';
const GET = `GET /dns-query?x=y&dns=${QUERY.toString('base64url')} HTTP/1.1\r\nAccept: application/dns-message`;
const ASKED: DnsRecord = { transport: 'https', name: 'a.example', type: 'AAAA', class: 'IN', code: null, answers: [], synthetic: false, truncated: false, edns: { version: 0, payload_size: 1_232, dnssec_ok: true } };
const TOLD: DnsRecord = { ...ASKED, code: 'NOERROR', answers: [{ name: 'A.example', type: 'CNAME', ttl: 60, data: 'b.example.' }, { name: 'b.example', type: 'AAAA', ttl: 30, data: '2001:db8::9' }] };

test('a message by POST and by GET, and an answer that is compressed', async () => {
  assert.deepEqual(await dnsOf({ head: POST, body: QUERY, type: 'application/dns-message', answer: ANSWER }), TOLD);
  assert.deepEqual(await dnsOf({ head: GET, type: 'Application/DNS-Message; x=y', answer: ANSWER }), TOLD);
  assert.deepEqual(await dnsOf({ head: POST, body: QUERY, type: 'application/dns-message', coding: 'gzip', answer: gzipSync(ANSWER) }), TOLD);
});

test('an answer that cannot be read, or is none, leaves the question', async () => {
  assert.deepEqual(await dnsOf({ head: POST, body: QUERY, type: 'application/dns-message', answer: ANSWER.subarray(0, -1) }), ASKED);
  assert.deepEqual(await dnsOf({ head: GET, type: 'text/html', status: 403, answer: '<p>no' }), ASKED);
  assert.deepEqual(await dnsOf({ head: POST, body: QUERY, type: 'application/dns-message', answer: Buffer.alloc(70_000) }), ASKED);
  assert.deepEqual(await dnsOf({ head: POST, body: QUERY, type: 'application/dns-message', coding: 'gzip', answer: 'no gzip' }), ASKED);
});

test('JSON, as it is asked for, and as Google has it', async () => {
  const json = JSON.stringify({ Status: 0, TC: false, Question: [{ name: 'a.example.', type: 28 }], Answer: [{ name: 'a.example.', type: 28, TTL: 30, data: '2001:db8::9' }, { name: 7 }] });
  const asked = { ...ASKED, edns: null };
  const told = { ...asked, code: 'NOERROR', answers: [{ name: 'a.example', type: 'AAAA', ttl: 30, data: '2001:db8::9' }] };
  assert.deepEqual(await dnsOf({ head: 'GET /dns-query?name=a.example&type=28 HTTP/1.1\r\nAccept: application/dns-json', type: 'application/dns-json', answer: json }), told);
  assert.deepEqual(await dnsOf({ head: 'GET /resolve?name=A.example.&type=aaaa HTTP/1.1', type: 'application/json; charset=UTF-8', answer: json }), told);
  assert.deepEqual(await dnsOf({ head: 'GET /dns-query?name=a.example&type=AAAA HTTP/1.1\r\nAccept: application/dns-json', type: 'text/plain', status: 500, answer: 'oh' }), asked);
});

test('what is no look-up has no such part', async () => {
  for (const exchange of [
    { head: POST, body: Buffer.from('no DNS'), type: 'application/dns-message', answer: ANSWER },
    { head: 'POST /dns-query HTTP/1.1\r\nContent-Type: text/plain', body: QUERY, type: 'application/dns-message', answer: ANSWER },
    { head: 'GET /?dns=AAAB HTTP/1.1\r\nAccept: */*', type: 'text/plain', answer: 'text' },
    { head: 'GET /?dns=AAAB HTTP/1.1\r\nAccept: application/dns-message', type: 'text/plain', answer: 'text' },
    { head: 'GET /resolve?name=a.example HTTP/1.1', type: 'application/json', answer: '{"Status": "fine"}' },
    { head: 'GET /resolve?name=a.example HTTP/1.1', type: 'application/json', answer: '[1' },
    { head: 'GET /search?name=a.example HTTP/1.1', type: 'application/json', answer: '{"Status": 0, "Question": []}' },
  ]) assert.equal(await dnsOf(exchange), undefined, exchange.head);
});
