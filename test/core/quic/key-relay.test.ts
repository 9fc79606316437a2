/** Secrets of QUIC connections: both sides of one have the same, so each line comes twice. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyLog } from '../../../core/capture.ts';
import { IdentityConfigs } from '../../../core/quic/identity-configs.ts';
import { QuicKeyRelay } from '../../../core/quic/key-relay.ts';
import { MAX_DATAGRAM, connectTo, echo, exchange, loadTransport, openEndpoint } from '../../stage/quic.ts';
import { until } from '../../stage/wire.ts';

test('the secrets of a handshake come while it goes on, from both of its sides', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'quic-keys-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const lines: string[] = [];
  const relay = new QuicKeyRelay(new KeyLog([(text) => lines.push(...text.trimEnd().split('\n'))]), folder);
  assert.deepEqual(readdirSync(folder), [], 'nobody else can name the file');
  const transport = await loadTransport(relay);
  const stage = await openEndpoint(context, { onConnection: echo }, { transport, configs: new IdentityConfigs(transport, ['h3'], MAX_DATAGRAM) });
  const clients = await Promise.all([0, 1].map(() => connectTo({ transport, authority: stage.authority }, stage.port)));
  for (const { connection } of clients) assert.equal(String(await exchange(connection.open('bidirectional')!, Buffer.from('hello'))), 'hello.');
  await until('the lines of four sides', () => lines.length >= 20);
  const counts = Object.groupBy(lines, (line) => line);
  assert.deepEqual(Object.values(counts).map((same) => same!.length), new Array(10).fill(2));
  assert.deepEqual([...new Set(lines.map((line) => line.split(' ')[0]))].sort(), ['CLIENT_HANDSHAKE_TRAFFIC_SECRET', 'CLIENT_TRAFFIC_SECRET_0', 'EXPORTER_SECRET', 'SERVER_HANDSHAKE_TRAFFIC_SECRET', 'SERVER_TRAFFIC_SECRET_0']);
  for (const line of lines) assert.match(line, /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}$/);
  for (const { connection } of clients) connection.close(0x100, '');
  relay.close();
  relay.drain(); // late datagrams have nowhere to go
});
