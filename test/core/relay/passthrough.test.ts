/** TLS that is relayed undecrypted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin, originCA } from '../../stage/origin.ts';
import { Wire, until } from '../../stage/wire.ts';
import type { PluginHooks } from '../../../core/index.ts';

const tap = (hooks: PluginHooks): void => hooks.onConnect.tap('test', () => ({ action: 'passthrough', rule: 'passthrough: *.test' }));

describe('passed through', () => {
  test("the client meets the origin's own certificate, and the flow is one record of kind tls", async () => {
    await using origin = await Origin.https((_request, response) => response.end('hidden'));
    await using stage = await Stage.open({ 'api.test': origin }, { tap });
    const tls = connectTls({ socket: await stage.tunnel('api.test', 443), servername: 'api.test', ca: originCA.certificate, ALPNProtocols: ['http/1.1'] });
    const client = new Wire(tls);
    client.write('GET /secret HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
    assert.match(await client.takeAll(), /hidden/);
    tls.end();
    const record = await stage.record();
    assert.equal(record.kind, 'tls');
    assert.equal(record.outcome, 'completed');
    assert.equal(record.request, null);
    assert.equal(record.tls_sni, 'api.test');
    assert.equal(record.policy?.decision, 'passthrough');
    assert.equal(record.upstream?.port, origin.port);
    assert.ok(record.bytes.up > 200 && record.bytes.down > 500, JSON.stringify(record.bytes));
    assert.doesNotMatch(JSON.stringify(record), /secret|hidden/);
  });

  for (const [version, seen] of [
    ['TLSv1.2', { alpn: 'http/1.1', subject: 'DNS:api.test' }],
    ['TLSv1.3', { alpn: null, subject: undefined }],
  ] as const) {
    test(`of ${version} the handshake is recorded as far as it shows, with its time`, async () => {
      await using origin = await Origin.rawTls((socket) => socket.end('hello'), { ...originCA.identity('api.test'), maxVersion: version });
      await using stage = await Stage.open({ 'api.test': origin }, { tap });
      const client = new Wire(connectTls({ socket: await stage.tunnel('api.test', 443), servername: 'api.test', ca: originCA.certificate, ALPNProtocols: ['h2', 'http/1.1'] }));
      assert.equal(await client.takeAll(), 'hello');
      client.socket.end();
      const { passthrough, timing, upstream } = await stage.record();
      const { peer_certificate: certificate, cipher, ...rest } = passthrough!;
      assert.deepEqual(rest, { offered_versions: ['TLSv1.3', 'TLSv1.2'], offered_alpn: ['h2', 'http/1.1'], ech: 'absent', version, alpn: seen.alpn });
      assert.match(cipher ?? '', version === 'TLSv1.3' ? /^TLS_AES_/ : /^TLS_ECDHE_ECDSA_WITH_AES_/);
      assert.equal(certificate?.alt_names, seen.subject);
      assert.ok(timing.tls! > 0 && timing.connect! > 0, JSON.stringify(timing));
      assert.equal(upstream?.tls, null);
    });
  }

  test('what answers with no TLS leaves nulls', async () => {
    await using origin = await Origin.raw((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'));
    await using stage = await Stage.open({ 'api.test': origin }, { tap });
    connectTls({ socket: await stage.tunnel('api.test', 443), servername: 'api.test' }).on('error', () => {});
    const { passthrough, timing, bytes } = await stage.record();
    assert.deepEqual([passthrough?.version, passthrough?.cipher, passthrough?.peer_certificate, timing.tls], [null, null, null, null]);
    assert.equal(bytes.down, 21);
  });

  test('a flow under way is recorded when the capture ends', async () => {
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    await using stage = await Stage.open({ 'api.test': origin }, { tap });
    connectTls({ socket: await stage.tunnel('api.test', 443), servername: 'api.test' }).on('error', () => {});
    const upstream = await arrivals.next();
    await until('the hello', () => upstream.text.length > 100);
    await stage.capture.close();
    const record = await stage.record();
    assert.equal(record.outcome, 'aborted');
    assert.equal(record.error?.code, 'shutting_down');
    await until('the end upstream', () => upstream.ended);
  });

  test('an origin that is not there, or private, is recorded so', async () => {
    await using stage = await Stage.open({ 'gone.test': '127.0.0.1:1' }, { tap });
    const gone = new Wire(connectTls({ socket: await stage.tunnel('gone.test', 443), servername: 'gone.test' }));
    await until('the end', () => gone.closed);
    const inner = new Wire(connectTls({ socket: await stage.tunnel('10.0.0.1', 443), servername: 'inner.test' }));
    await until('the end', () => inner.closed);
    const records = await stage.recorded(2);
    assert.deepEqual(records.map(({ outcome, error }) => [outcome, error?.code]), [['failed', 'connect_failed'], ['denied', 'address_denied']]);
    assert.equal(records[1]?.violation?.by, 'core');
  });

  test('a request in the clear is judged like any other', async () => {
    await using origin = await Origin.http((_request, response) => response.end('ok'));
    let judged = 0;
    await using stage = await Stage.open({ 'api.test': origin }, { tap: (hooks) => {
      tap(hooks);
      hooks.onRequest.tap('test', () => void judged++);
    } });
    const client = await stage.wire('api.test');
    client.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n');
    assert.equal((await client.takeResponse()).body, 'ok');
    assert.equal(judged, 1);
    assert.equal((await stage.record()).kind, 'http');
  });
});
