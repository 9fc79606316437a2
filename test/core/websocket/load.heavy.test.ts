/** Many messages in one WebSocket: memory stays flat, and all is recorded. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';
import { clientFrame, frameOf } from './frame-bytes.ts';

const LIMIT = { timeout: 300_000 };
const MIB = 1024 * 1024;
const GROWTH_MIB = 100;
const HANDSHAKE = 'GET /chat HTTP/1.1\r\nHost: api.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const CONSENT = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';
const BATCH = 500;

/** Writes a batch again and again, as fast as it is taken. */
async function pour(socket: Socket, batch: Buffer, times: number, poured: (count: number) => void): Promise<void> {
  for (let i = 0; i < times; i++) {
    if (!socket.write(batch)) await once(socket, 'drain');
    poured(i + 1);
  }
}

test('a million messages hold memory flat, and all of them are recorded', LIMIT, async (t) => {
  const arrivals = new Arrivals();
  await using origin = await Origin.raw(arrivals.add);
  await using stage = await Stage.open({ 'api.test': origin });
  const client = await stage.wire('api.test');
  client.write(HANDSHAKE);
  const upstream = await arrivals.next();
  await upstream.take('\r\n\r\n');
  upstream.write(CONSENT);
  await client.take('\r\n\r\n');
  for (const { socket } of [client, upstream]) socket.removeAllListeners('data').resume();
  const said = (from: string): string => JSON.stringify({ from, text: 'the quick brown fox jumps over the lazy dog' });
  const times = 1_000_000 / 2 / BATCH;
  /** Resident memory at its highest, in the first half and in the second. */
  const peaks = [0, 0];
  const watch = (count: number): void => {
    const half = count <= times / 2 ? 0 : 1;
    peaks[half] = Math.max(peaks[half]!, process.memoryUsage().rss);
  };
  await Promise.all([
    pour(client.socket as Socket, Buffer.concat(Array<Buffer>(BATCH).fill(clientFrame({ opcode: 1, payload: said('client') }))), times, watch),
    pour(upstream.socket as Socket, Buffer.concat(Array<Buffer>(BATCH).fill(frameOf({ opcode: 1, payload: said('server') }))), times, watch),
  ]);
  client.socket.end();
  await until('the end upstream', () => upstream.ended, 120_000);
  upstream.socket.end();
  await until('the record', () => stage.records.length === 1, 120_000);
  const { websocket } = stage.records[0]!;
  assert.deepEqual([websocket!.message_count, websocket!.messages.length, websocket!.fault], [{ up: 500_000, down: 500_000 }, 1000, null]);
  const counts = { client: 0, server: 0 };
  for await (const line of createInterface(createReadStream(join(stage.directory, websocket!.messages_file!)))) {
    const { from, data } = JSON.parse(line) as { from: 'client' | 'server'; data: string };
    if (data === said(from)) counts[from]++;
  }
  assert.deepEqual(counts, { client: 500_000, server: 500_000 });
  const growth = (peaks[1]! - peaks[0]!) / MIB;
  t.diagnostic(`peaks of resident memory, both peers included: ${(peaks[0]! / MIB).toFixed(0)} MiB in the first half of the messages, ${(peaks[1]! / MIB).toFixed(0)} MiB in the second`);
  assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
});
