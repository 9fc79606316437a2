/** The secrets that a key log gets: those that the client and the upstream themselves log of the same handshakes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { AddressInfo } from 'node:net';
import { connect as connectTls, createServer, type SecureVersion, type TLSSocket } from 'node:tls';
import { KeyLog } from '../../../core/capture.ts';
import { Stage } from '../../stage/captured.ts';
import { originCA } from '../../stage/origin.ts';
import { Wire, until } from '../../stage/wire.ts';
import { GET, OK } from './answering.ts';

const LABELS = {
  'TLSv1.2': ['CLIENT_RANDOM'],
  'TLSv1.3': ['CLIENT_HANDSHAKE_TRAFFIC_SECRET', 'CLIENT_TRAFFIC_SECRET_0', 'EXPORTER_SECRET', 'SERVER_HANDSHAKE_TRAFFIC_SECRET', 'SERVER_TRAFFIC_SECRET_0'],
} as const;

const sorted = (lines: readonly string[]): string[] => [...lines].sort();
const linesOf = (logged: readonly Buffer[]): string[] => sorted(logged.map(String));

/** One request over TLS; the client's own lines, and the session that it may resume. */
async function ask(stage: Stage, version: SecureVersion, session?: Buffer): Promise<{ lines: Buffer[]; session: Buffer; resumed: boolean }> {
  const lines: Buffer[] = [];
  const tls: TLSSocket = connectTls({ socket: await stage.tunnel('api.test', 443), servername: 'api.test', ca: stage.capture.authority.certificate, minVersion: version, maxVersion: version, ...(session ? { session } : {}) });
  tls.on('keylog', (line: Buffer) => lines.push(line));
  const ticket = once(tls, 'session') as Promise<[Buffer]>;
  await once(tls, 'secureConnect');
  const wire = new Wire(tls);
  wire.write(GET);
  assert.match((await wire.takeResponse()).head, /^HTTP\/1.1 200 /);
  const resumed = tls.isSessionReused();
  const given = resumed ? session! : (await ticket)[0];
  tls.end();
  return { lines, session: given, resumed };
}

describe('the key log of a handshake', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`of ${version} has what client and upstream know, also of a resumed one`, async (context) => {
      const upstream: Buffer[] = [];
      const origin = createServer({ ...originCA.options(), minVersion: version, maxVersion: version }, (socket) => socket.on('error', () => {}).on('data', () => socket.write(OK)));
      origin.on('keylog', (line) => upstream.push(line));
      await once(origin.listen(0, '127.0.0.1'), 'listening');
      context.after(() => origin.close());
      const logged: string[] = [];
      await using stage = await Stage.open({ 'api.test': origin.address() as AddressInfo }, { keyLog: new KeyLog([(line) => logged.push(line)]) });
      const first = await ask(stage, version);
      await until('the lines of both sides', () => logged.length === 2 * LABELS[version].length);
      assert.deepEqual(sorted(logged), linesOf([...first.lines, ...upstream]));
      assert.deepEqual(sorted(first.lines.map((line) => String(line).split(' ')[0]!)), LABELS[version]);
      assert.ok(logged.every((line) => line.endsWith('\n')));

      logged.length = upstream.length = 0;
      const second = await ask(stage, version, first.session);
      assert.ok(second.resumed);
      await until('the lines of both sides', () => logged.length === linesOf([...second.lines, ...upstream]).length);
      assert.deepEqual(sorted(logged), linesOf([...second.lines, ...upstream]));
    });
  }

  test('without a newline is a line all the same', () => {
    const lines: string[] = [];
    const log = new KeyLog([(line) => lines.push(line)]);
    log.write('CLIENT_RANDOM aa bb');
    log.write(Buffer.from('CLIENT_RANDOM cc dd\n'));
    assert.deepEqual(lines, ['CLIENT_RANDOM aa bb\n', 'CLIENT_RANDOM cc dd\n']);
  });
});
