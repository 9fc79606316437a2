/** What clients of TLS are offered, and what is recorded of those that do not like it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { curl, run } from '../../stage/program.ts';
import { until } from '../../stage/wire.ts';
import { GET, OK, answering } from './answering.ts';

describe('ALPN', () => {
  const agreed = async (upstream: readonly string[] | null, offered: readonly string[]): Promise<string | false | null> => {
    await using origin = await Origin.rawTls(() => {}, upstream === null ? { ALPNProtocols: undefined as never } : { ALPNProtocols: [...upstream] });
    await using stage = await Stage.open({ 'api.test': origin });
    const tls = await stage.tls('api.test', { ALPNProtocols: offered.length > 0 ? [...offered] : undefined as never });
    const first = tls.alpnProtocol;
    const again = await stage.tls('api.test', { ALPNProtocols: offered.length > 0 ? [...offered] : undefined as never });
    assert.equal(again.alpnProtocol, first, 'what is remembered is what was found');
    return first;
  };

  test('is what the upstream chooses of what the client offers', async () => {
    assert.equal(await agreed(['h2', 'http/1.1'], ['h2', 'http/1.1']), 'h2');
    assert.equal(await agreed(['http/1.1'], ['h2', 'http/1.1']), 'http/1.1');
    assert.equal(await agreed(['h2'], ['h2']), 'h2');
    assert.equal(await agreed(['http/1.1', 'h2'], ['h2', 'http/1.1']), 'http/1.1');
    assert.equal(await agreed(['h2', 'http/1.1'], ['http/1.1']), 'http/1.1');
  });

  test('is none where either side has none', async () => {
    assert.equal(await agreed(['h2', 'http/1.1'], []), false);
    assert.equal(await agreed(null, ['h2', 'http/1.1']), false);
    assert.equal(await agreed(null, []), false);
  });

  test('is of the name and not of the address: two names at one address differ', async () => {
    await using origin = await Origin.rawTls((socket) => socket.on('data', () => socket.write(OK)), {
      ALPNProtocols: undefined as never,
      ALPNCallback: ({ servername }) => (servername === 'old.test' ? 'http/1.1' : 'h2'),
    });
    await using stage = await Stage.open({ '203.0.113.7': origin });
    const chosen = async (servername: string): Promise<string | false | null> => {
      const tls = connectTls({ socket: await stage.tunnel('203.0.113.7', 443), servername, ca: stage.capture.authority.certificate, ALPNProtocols: ['h2', 'http/1.1'] });
      await once(tls, 'secureConnect');
      return tls.alpnProtocol;
    };
    assert.equal(await chosen('new.test'), 'h2');
    assert.equal(await chosen('old.test'), 'http/1.1');
  });

  test('offers both where we answer ourselves', async () => {
    await using stage = await Stage.open({ 'api.test': '127.0.0.1:1' }, { tap: (hooks) => hooks.onConnect.tap('test', () => ({ action: 'deny', rule: 'none may' })) });
    const h2 = await curl(stage, '-w', '%{http_version} %{http_code}', '-o', '/dev/null', 'https://api.test/');
    const h1 = await curl(stage, '--http1.1', '-w', '%{http_version} %{http_code}', '-o', '/dev/null', 'https://api.test/');
    assert.deepEqual([h2.stdout, h1.stdout], ['2 403', '1.1 403']);
  });
});

describe('a client of TLS', () => {
  test('that does not trust us is recorded as one that did not', async () => {
    await using origin = await answering();
    await using stage = await Stage.open({ 'api.test': origin });
    for (const version of ['--tls-max 1.2', '--tlsv1.3']) {
      const result = await run('curl', ['-sS', '--max-time', '5', ...version.split(' '), '--proxy', stage.proxyUrl, 'https://api.test/']);
      assert.equal(result.code, 60, result.stderr);
    }
    const records = await stage.recorded(2);
    for (const record of records) {
      assert.equal(record.kind, 'tls');
      assert.equal(record.outcome, 'failed');
      assert.equal(record.error?.code, 'client_rejected_certificate');
      assert.equal(record.tls_sni, 'api.test');
    }
  });

  test('that leaves in the midst of its handshake is recorded as gone', async () => {
    await using origin = await answering();
    await using stage = await Stage.open({ 'api.test': origin });
    const tls = connectTls({ socket: await stage.tunnel('api.test', 443), servername: 'api.test', ca: stage.capture.authority.certificate });
    // In TLS 1.3 the client's last message is still to be sent then.
    tls.once('secureConnect', () => tls.destroy());
    const record = await stage.record();
    assert.equal(record.outcome, 'aborted');
    assert.ok(['client_aborted', 'no_request'].includes(record.error?.code ?? ''), String(record.error?.code));
  });

  test('that speaks no HTTP inside is refused with a record', async () => {
    await using origin = await answering();
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.tlsWire('api.test');
    client.write('\0\0\0\x05hello\r\n\r\n');
    await until('the end', () => client.ended);
    const record = await stage.record();
    assert.equal(record.outcome, 'failed');
    assert.equal(record.error?.code, 'bad_request');
  });

  test('of openssl meets a chain that it verifies strictly', async () => {
    await using origin = await answering();
    await using stage = await Stage.open({ 'api.test': origin });
    const result = await run('openssl', ['s_client', '-connect', 'api.test:443', '-proxy', `127.0.0.1:${stage.port}`, '-servername', 'api.test', '-verify_hostname', 'api.test', '-x509_strict', '-verify_return_error', '-CAfile', stage.caFile, '-quiet'], { input: GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n') });
    assert.match(result.stderr + result.stdout, /verify return:1/);
    assert.match(result.stdout, /^HTTP\/1.1 200 OK/);
  });
});
