/** Responses that overtake their requests, over HTTP/1. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../stage/wire.ts';
import { GET, OK, POST, scene } from './scene.ts';

describe('a response that comes before the request is whole', () => {
  test('is forwarded at once, and so is the rest of the request', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(POST + 'a'.repeat(40));
      const upstream = await arrivals.next();
      await upstream.takeBytes(POST.length + 40);
      upstream.write(OK);
      await client.take('ok');
      await sleep(20);
      client.write('b'.repeat(60));
      assert.equal(await upstream.takeBytes(60), 'b'.repeat(60));
      const record = await stage.record();
      assert.equal(record.outcome, 'completed');
      assert.equal(record.request?.body, 'a'.repeat(40) + 'b'.repeat(60));
      client.write(GET);
      assert.equal(await upstream.take('\r\n\r\n'), GET, 'both connections go on');
    }));

  test('reaches a client that goes on sending to an origin that has closed', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write('POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 50000000\r\n\r\n');
      const upstream = await arrivals.next();
      upstream.socket.once('data', () => upstream.socket.end('HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig'));
      const chunk = Buffer.alloc(64 * 1024);
      for (let sent = 0; sent < 50_000_000 && !client.text.endsWith('big'); sent += chunk.length) {
        if (!client.socket.write(chunk)) await sleep(1);
      }
      assert.match(await client.take('big'), /^HTTP\/1.1 413 /);
      const record = await stage.record();
      assert.equal(record.outcome, 'completed');
      assert.equal(record.response?.status, 413);
    }));

  test('does not wait for ever for the rest', () =>
    scene(async ({ client, arrivals, stage }) => {
      client.write(POST);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(OK);
      await client.take('ok');
      await until('the record', () => stage.records.length === 1, 8000);
      assert.equal(stage.records[0]?.outcome, 'completed');
      await until('the end of the connection', () => client.ended);
    }));
});
