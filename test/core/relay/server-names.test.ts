/** Clients that ask for what cannot be had: a server name of which no certificate can be made, a protocol that has no name; or whose connection the transport does not take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectQuic } from '../../../core/quic/client.ts';
import type { QuicTransport } from '../../../core/quic/transport.ts';
import { Stage } from '../../stage/captured.ts';
import { dialHttp3, listenHttp3 } from '../../stage/http3.ts';
import { MAX_DATAGRAM, loadTransport } from '../../stage/quic.ts';
import { run } from '../../stage/program.ts';
import { until } from '../../stage/wire.ts';
import { alpn, groups, helloBytes, serverName, signatures, versions } from '../peek/hello-bytes.ts';

const WITH_ZONE = 'fe80::1%eth0';

/** A client of ours sends no address as a server name; this one does. */
async function dialAs(name: string, port: number): Promise<string> {
  const real = await loadTransport();
  const transport = { connect: (config: never, _name: unknown, ...rest: [never, never, never]) => real.connect(config, name, ...rest) } as unknown as QuicTransport;
  const config = real.configure({ alpn: ['h3'], maxDatagram: MAX_DATAGRAM, maxStreams: 0, identity: null, roots: [] });
  const target = { host: 'x', serverName: 'x', address: '127.0.0.1', port, config, maxDatagram: MAX_DATAGRAM, timeoutMs: 5_000, signal: new AbortController().signal };
  return connectQuic(transport, target).then(() => 'connected', (error: { code: string }) => error.code);
}

test('an address with a zone is a name like any other, over QUIC and over TCP', async () => {
  await using stage = await Stage.open({ 'api.test': '127.0.0.1:9' });
  assert.equal(await dialAs(WITH_ZONE, await listenHttp3(stage)), 'upstream_certificate_invalid');
  await run('openssl', ['s_client', '-proxy', `127.0.0.1:${stage.port}`, '-connect', 'api.test:443', '-servername', WITH_ZONE, '-CAfile', stage.caFile, '-verify_return_error']);
  const records = await stage.recorded(2);
  assert.deepEqual(records.map(({ tls, error }) => [tls?.sni, error?.code]), [[WITH_ZONE, 'client_rejected_certificate'], [WITH_ZONE, 'connect_failed']]);
});

test('where no certificate can be made, the connection fails with its record, over QUIC and over TCP', async () => {
  await using stage = await Stage.open({ 'api.test': '127.0.0.1:9' });
  const { authority } = stage.capture;
  authority.mint = () => {
    throw new Error('no such name');
  };
  const port = await listenHttp3(stage);
  await assert.rejects(dialHttp3(stage, port, 'api.test'), { code: 'connect_failed' });
  await assert.rejects(stage.tls('api.test'));
  for (const record of await stage.recorded(2)) assert.deepEqual([record.outcome, record.error?.code], ['failed', 'client_tls_failed']);
});

test('where the transport does not take a certificate, the client is turned away at once, with its record', async () => {
  await using stage = await Stage.open({});
  stage.capture.authority.mint = () => 'none';
  const port = await listenHttp3(stage);
  await assert.rejects(dialHttp3(stage, port, 'api.test'), { code: 'connect_failed', message: /code 1/ });
  const record = await stage.record();
  assert.deepEqual([record.outcome, record.error?.code], ['failed', 'client_tls_failed']);
});

for (const [action, outcome] of [['allow', 'failed'], ['deny', 'denied']] as const) {
  test(`protocols that have no name, or one that is none of ASCII, are not offered, and end nobody but who asks for them: ${action}`, async () => {
    await using stage = await Stage.open({ 'api.test': '127.0.0.1:9' }, { tap: (hooks) => hooks.onConnect.tap('test', () => ({ action, rule: 'r' })) });
    for (const name of ['', Buffer.alloc(200, 0xff)]) {
      const client = await stage.wire('api.test', 443);
      client.write(helloBytes({ ciphers: [0x1301], extensions: [serverName('api.test'), alpn(name), versions(0x0304), groups(29), signatures(0x0403)] }));
      await until('the end', () => client.ended);
    }
    for (const record of await stage.recorded(2)) assert.equal(record.outcome, outcome);
  });
}
