/** Upstreams that ask for a certificate: ours is shown, or the flow says what is missing. */
import assert from 'node:assert/strict';
import { createSecureServer } from 'node:http2';
import type { Server } from 'node:net';
import { after, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { openClientIdentity, type ClientIdentity } from '../../../core/capture.ts';
import { ClientCertificates } from '../../../core/tls/client-certificates.ts';
import { Stage } from '../../stage/captured.ts';
import { ClientCertificateFiles, PASSPHRASE } from '../../stage/client-certificates.ts';
import { Origin, originCA } from '../../stage/origin.ts';
import { curl } from '../../stage/program.ts';
import { until } from '../../stage/wire.ts';

const files = new ClientCertificateFiles();
after(() => files[Symbol.dispose]());

const agent = openClientIdentity({ cert: files.text('agent.pem'), key: files.text('agent.key') }, 'api.test');
const of = (name: string): ClientIdentity => openClientIdentity({ cert: files.text(`${name}.pem`), key: files.text(`${name}.key`) }, 'api.test');

/** An origin that demands a certificate and answers with what it was shown. */
function demanding(version: 'TLSv1.2' | 'TLSv1.3', options: { alpn?: string[]; ca?: string; optional?: boolean } = {}): Promise<Origin> {
  const server = createSecureServer(
    {
      ...originCA.identity('api.test'),
      allowHTTP1: true,
      ALPNProtocols: options.alpn ?? ['h2', 'http/1.1'],
      ca: options.ca ?? files.text('ca.pem'),
      requestCert: true,
      rejectUnauthorized: options.optional !== true,
      minVersion: version,
      maxVersion: version,
    },
    (request, response) => {
      const socket = (request.stream?.session?.socket ?? request.socket) as TLSSocket;
      const shown = socket.getPeerCertificate(true) as { subject?: { CN?: string }; issuerCertificate?: { subject?: { CN?: string } } };
      response.end(`${shown.subject?.CN ?? 'nobody'} of ${shown.issuerCertificate?.subject?.CN ?? 'nobody'}`);
    },
  );
  server.on('sessionError', () => {});
  server.on('tlsClientError', () => {});
  return Origin.listen(server as unknown as Server);
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  for (const [protocol, flag] of [['HTTP/1.1', '--http1.1'], ['HTTP/2', '--http2']] as const) {
    describe(`an origin that demands a certificate over ${version} and ${protocol}`, () => {
      test('is shown the one for its name, and the record says which', async () => {
        await using origin = await demanding(version);
        await using stage = await Stage.open({ 'api.test': origin }, { clientCertificates: [{ host: '*.test', identity: agent }] });
        const answer = await curl(stage, flag, 'https://api.test/');
        assert.equal(answer.stdout, 'agent 7 of Agents CA', answer.stderr);
        const record = await stage.record();
        assert.equal(record.outcome, 'completed');
        assert.equal(record.upstream?.tls?.version, version);
        assert.deepEqual(record.upstream?.tls?.client_certificate, { subject: 'O=Stage\nCN=agent 7', sha256: files.sha256('agent.pem') });
        assert.doesNotMatch(JSON.stringify(record), /PRIVATE KEY/);
      });

      test('and none is configured: the flow fails, and names the CA', async () => {
        await using origin = await demanding(version);
        await using stage = await Stage.open({ 'api.test': origin }, { clientCertificates: [{ host: 'api.test:8443', identity: agent }] });
        const answer = await curl(stage, flag, '-w', '%{http_code}', 'https://api.test/');
        assert.match(answer.stdout, /"error":"client_certificate_required".*502$/s, answer.stderr);
        const record = await stage.record();
        assert.deepEqual([record.kind, record.outcome, record.error?.code], ['http', 'failed', 'client_certificate_required']);
        assert.match(record.error!.message, /api\.test asks for a client certificate, and none is configured for it; it takes those of CN=Agents CA, O=Stage\./);
      });

      test('and does not accept ours: the flow fails with its reason', async () => {
        await using origin = await demanding(version);
        await using stage = await Stage.open({ 'api.test': origin }, { clientCertificates: [{ host: 'api.test', identity: of('other') }] });
        const answer = await curl(stage, flag, 'https://api.test/');
        // Node's server refuses by closing; an alert it does not send.
        assert.match(answer.stdout, /"error":"(client_certificate_rejected|upstream_aborted|upstream_tls_failed)"/, answer.stderr);
        assert.equal((await stage.record()).outcome, 'failed');
      });
    });
  }

  test(`over ${version} a chain is shown whole`, async () => {
    await using origin = await demanding(version);
    await using stage = await Stage.open({ 'api.test': origin }, { clientCertificates: [{ host: 'api.test', identity: of('chained') }] });
    assert.equal((await curl(stage, 'https://api.test/')).stdout, 'chained agent of Agents CA below');
  });

  test(`over ${version} one out of PKCS#12 is shown`, async () => {
    await using origin = await demanding(version);
    const identity = openClientIdentity({ pkcs12: files.bytes('agent.p12'), passphrase: PASSPHRASE }, 'api.test');
    await using stage = await Stage.open({ 'api.test': origin }, { clientCertificates: [{ host: 'api.test', identity }] });
    assert.equal((await curl(stage, 'https://api.test/')).stdout, 'agent 7 of Agents CA');
    assert.equal((await stage.record()).upstream?.tls?.client_certificate?.sha256, files.sha256('agent.pem'));
  });
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`over ${version} a protocol that is not HTTP is shown it, or told that it lacks, as well`, async () => {
    const options = { ...originCA.identity('api.test'), ca: files.text('ca.pem'), requestCert: true, rejectUnauthorized: true, minVersion: version, maxVersion: version, ALPNProtocols: undefined as never };
    await using origin = await Origin.rawTls((socket) => socket.end(`+OK ${(socket as TLSSocket).getPeerCertificate().subject.CN}\r\n`), options);
    for (const [rules, ended] of [[[{ host: 'api.test', identity: agent }], 'completed'], [[], 'failed']] as const) {
      await using stage = await Stage.open({ 'api.test': origin }, { clientCertificates: rules });
      const client = await stage.tlsWire('api.test', { ALPNProtocols: undefined }, 995);
      client.write('CAPA\r\nQUIT\r\n');
      await until('the end', () => client.ended);
      client.socket.end();
      const record = await stage.record();
      assert.deepEqual([record.kind, record.outcome, record.error?.code], ['tcp', ended, ended === 'failed' ? 'client_certificate_required' : undefined]);
      assert.equal(client.text, ended === 'failed' ? '' : '+OK agent 7\r\n');
    }
  });
}

test('an origin that only asks is served without one', async () => {
  await using origin = await demanding('TLSv1.3', { optional: true });
  await using stage = await Stage.open({ 'api.test': origin });
  assert.equal((await curl(stage, 'https://api.test/')).stdout, 'nobody of nobody');
  assert.equal((await stage.record()).upstream?.tls?.client_certificate, null);
});

describe('a certificate is for', () => {
  const certificates = new ClientCertificates([
    { host: 'api.test:443', identity: agent },
    { host: '*.shared.test', identity: of('chained') },
    { host: '192.0.2.7', identity: of('old') },
  ]);

  test('the hosts and ports that its pattern names', () => {
    assert.equal(certificates.for('api.test', 443), agent);
    assert.equal(certificates.for('api.test', 8443), null);
    assert.equal(certificates.for('a.shared.test', 8443)?.subject, 'O=Stage\nCN=chained agent');
    assert.equal(certificates.for('shared.test', 443), null);
  });

  test('no name that its destination is not', () => {
    assert.equal(certificates.for('evil.test', 443, 'api.test'), null);
    assert.equal(certificates.for('api.test', 443, 'evil.test'), null);
    assert.equal(certificates.for('a.shared.test', 443, 'b.shared.test')?.subject, 'O=Stage\nCN=chained agent');
    assert.equal(certificates.for('198.51.100.1', 443, 'api.test'), agent);
    assert.equal(certificates.for('192.0.2.7', 443, 'api.test'), null);
  });
});
