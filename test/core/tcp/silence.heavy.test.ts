/** Clients that say nothing for longer than a minute. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';

const MINUTE_AND_MORE = 62_000;

test('a client that speaks HTTP after a minute is captured as HTTP', { timeout: 90_000 }, async () => {
  await using origin = await Origin.raw((socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')));
  await using stage = await Stage.open({ 'raw.test': origin });
  const client = await stage.wire('raw.test', 80);
  await until('the upstream', () => origin.accepted === 1);
  await sleep(MINUTE_AND_MORE);
  client.write('GET /late HTTP/1.1\r\nHost: raw.test\r\nConnection: close\r\n\r\n');
  await client.take('ok');
  const { kind, outcome, request } = await stage.record();
  assert.deepEqual([kind, outcome, request?.url], ['http', 'completed', 'http://raw.test/late']);
});

test('a client that waits for a minute where it may speak nothing but HTTP is denied', { timeout: 90_000 }, async () => {
  await using origin = await Origin.raw(() => {});
  await using stage = await Stage.open({ 'raw.test': origin }, { tap: (hooks) => hooks.onConnect.tap('test', ({ protocol }) => (protocol === 'raw' ? { action: 'deny', rule: 'no raw' } : undefined)) });
  const client = await stage.wire('raw.test', 7000);
  await sleep(MINUTE_AND_MORE);
  await until('the end', () => client.closed);
  const { kind, outcome, violation } = await stage.record();
  assert.deepEqual([kind, outcome, violation?.rule, origin.accepted], ['tcp', 'denied', 'no raw', 0]);
});
