/** HTTP/2 in the clear, and events that stream, by foreign clients in a guest to foreign servers and to Node's. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Stage } from '../stage/stage.ts';
import type { OriginResponse } from '../stage/origin.ts';
import type { Job } from '../stage/workspace.ts';
import { row } from './row.ts';

const EVENTS = 5;
const cleartext = createServer();
/** Is offered an upgrade. */
const upgradable = createHttpServer((request, response) => response.end(`${request.httpVersion} ${request.headers.upgrade} ${request.headers['http2-settings']}\n`));
let stage: Stage;

before(async () => {
  stage = await Stage.open(async (_request, response: OriginResponse) => {
    response.setHeader('content-type', 'text/event-stream');
    for (let at = 0; at < EVENTS; at++) {
      (response as { write(text: string): void }).write(`id: ${at}\nevent: tick\ndata: ${at}\n\n`);
      await pause(50);
    }
    response.end();
  });
  cleartext.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    stream.end(`plain ${headers[':path']}\n`);
  });
  for (const server of [cleartext, upgradable]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const address = (server: typeof cleartext | typeof upgradable): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
  stage.profile({ hosts: { 'plain.demo.test': address(cleartext), 'old.demo.test': address(upgradable) } });
});
after(async () => {
  cleartext.close();
  upgradable.close();
  await stage.close();
});

async function job(...command: string[]): Promise<Job> {
  const done = await stage.workspace.job(['--profile', 'profile.json'], command);
  assert.equal(done.code, 0, done.stdout + done.stderr);
  return { ...done, flows: done.flows.filter(({ kind }) => kind === 'http') };
}

async function clear(...command: string[]): Promise<string> {
  const { stdout, flows } = await job(...command);
  assert.match(stdout, /plain \/h2c/);
  assert.deepEqual(flows.map(({ outcome, http_version, tls, request, response, upstream }) => [outcome, http_version, tls, request!.url, response!.body, upstream!.http_version]), [
    ['completed', '2', null, 'http://plain.demo.test/h2c', 'plain /h2c\n', '2'],
  ]);
  return '1 flow, HTTP/2 both sides';
}

row({ client: 'curl', server: 'node:http2', protocol: 'HTTP/2 in the clear, with prior knowledge', result: '1 flow, HTTP/2 both sides' }, () => clear('curl', '-sS', '--http2-prior-knowledge', 'http://plain.demo.test/h2c'));
row({ client: 'nghttp', server: 'node:http2', protocol: 'HTTP/2 in the clear, with prior knowledge', result: '1 flow, HTTP/2 both sides' }, () => clear('nghttp', 'http://plain.demo.test/h2c'));
row({ client: 'curl', server: 'node:http', protocol: 'HTTP/2 in the clear, by upgrade', result: '1 flow, HTTP/1.1 both sides' }, async () => {
  const { stdout, flows } = await job('curl', '-sS', '--http2', 'http://old.demo.test/');
  assert.equal(stdout, '1.1 undefined undefined\n', 'the offer is not passed on');
  assert.deepEqual(flows.map(({ outcome, http_version, upstream }) => [outcome, http_version, upstream!.http_version]), [['completed', '1.1', '1.1']]);
  return '1 flow, HTTP/1.1 both sides';
});
row({ client: 'curl -N', server: 'node:http2', protocol: 'Server-sent events', result: '1 flow, 5 events with their times' }, async () => {
  const { stdout, flows } = await job('curl', '-sSN', 'https://api.demo.test/events');
  const [flow] = flows;
  assert.equal(stdout, flow!.response!.body);
  const { events } = flow!;
  assert.deepEqual([flow!.outcome, events!.format, events!.fault, events!.message_count], ['completed', 'event-stream', null, { up: 0, down: EVENTS }]);
  assert.deepEqual(events!.messages.map(({ event, event_id, data }) => [event, event_id, data]), Array.from({ length: EVENTS }, (_, at) => ['tick', String(at), String(at)]));
  for (const [at, { at: time }] of events!.messages.entries()) assert.ok(at === 0 || time >= events!.messages[at - 1]!.at + 30, `event ${at} at ${time}`);
  return `${flows.length} flow, ${events!.messages.length} events with their times`;
});
