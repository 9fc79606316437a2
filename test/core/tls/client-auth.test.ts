/** Clients that are asked for a certificate: what they show is recorded, and refused where it is required and not good. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { ClientAuthRule } from '../../../core/capture.ts';
import { ClientAuth } from '../../../core/tls/client-auth.ts';
import { Stage } from '../../stage/captured.ts';
import { ClientCertificateFiles } from '../../stage/client-certificates.ts';
import { Origin } from '../../stage/origin.ts';
import { curl } from '../../stage/program.ts';

const files = new ClientCertificateFiles();
after(() => files[Symbol.dispose]());
const rule = (more: Partial<ClientAuthRule> = {}): ClientAuthRule => ({ host: 'api.test', ca: files.text('ca.pem'), require: true, ...more });
const shown = (name: string): string[] => ['--cert', files.path(`${name}.pem`), '--key', files.path(`${name}.key`)];

for (const [version, protocol, flags] of [
  ['TLSv1.2', '1.1', ['--tls-max', '1.2', '--http1.1']],
  ['TLSv1.2', '2', ['--tls-max', '1.2', '--http2']],
  ['TLSv1.3', '1.1', ['--tlsv1.3', '--http1.1']],
  ['TLSv1.3', '2', ['--tlsv1.3', '--http2']],
] as const) {
  describe(`over ${version} and HTTP/${protocol} a client`, () => {
    test('that shows a certificate of the CA is served, and recorded with it', async () => {
      await using origin = await Origin.https((_request, response) => response.end('served'));
      await using stage = await Stage.open({ 'api.test': origin }, { clientAuth: [rule()] });
      const answer = await curl(stage, ...flags, ...shown('agent'), 'https://api.test/a', 'https://api.test/b');
      assert.equal(answer.stdout, 'servedserved', answer.stderr);
      const [record] = await stage.recorded(2);
      assert.equal(record?.tls?.version, version);
      assert.equal(record?.http_version, protocol);
      const { subject, issuer, serial, sha256, verified, fault } = record!.tls!.client_certificate!;
      assert.deepEqual({ subject, issuer, sha256, verified, fault }, { subject: 'O=Stage\nCN=agent 7', issuer: 'O=Stage\nCN=Agents CA', sha256: files.sha256('agent.pem'), verified: true, fault: null });
      assert.match(serial, /^[0-9A-F]+$/);
    });

    test('that shows none, or one of another CA, is refused in HTTP with one record, and the origin hears no request', async () => {
      let requests = 0;
      await using origin = await Origin.https((_request, response) => {
        requests++;
        response.end('served');
      });
      await using stage = await Stage.open({ 'api.test': origin }, { clientAuth: [rule()] });
      const none = await curl(stage, ...flags, '-w', '%{http_code}', 'https://api.test/');
      assert.match(none.stdout, /"error":"client_certificate_missing".*403$/s, none.stderr);
      const other = await curl(stage, ...flags, ...shown('other'), '-w', '%{http_code}', 'https://api.test/');
      assert.match(other.stdout, /"error":"client_certificate_invalid".*403$/s, other.stderr);
      const records = await stage.recorded(2);
      assert.deepEqual(records.map(({ outcome, error, tls }) => [outcome, error?.code, tls?.client_certificate?.verified ?? null]), [['failed', 'client_certificate_missing', null], ['failed', 'client_certificate_invalid', false]]);
      assert.match(records[1]!.error!.message, /CN=stranger, is not accepted for api\.test: self-signed certificate/);
      assert.equal(requests, 0);
    });
  });
}

test('an expired certificate is not accepted, a chained one is', async () => {
  await using origin = await Origin.https((_request, response) => response.end('served'));
  await using stage = await Stage.open({ 'api.test': origin }, { clientAuth: [rule()] });
  assert.match((await curl(stage, ...shown('old'), 'https://api.test/')).stdout, /"error":"client_certificate_invalid","message":".*expired/);
  assert.equal((await curl(stage, ...shown('chained'), 'https://api.test/')).stdout, 'served');
});

test('without a CA any certificate is taken and none is called verified; without `require` none is refused', async () => {
  await using origin = await Origin.https((_request, response) => response.end('served'));
  await using stage = await Stage.open({ 'any.test': origin, 'asked.test': origin, 'free.test': origin }, { clientAuth: [rule({ host: 'any.test', ca: null }), rule({ host: 'asked.test', require: false })] });
  assert.equal((await curl(stage, ...shown('other'), 'https://any.test/')).stdout, 'served');
  assert.match((await curl(stage, 'https://any.test/')).stdout, /client_certificate_missing/);
  assert.equal((await curl(stage, ...shown('other'), 'https://asked.test/')).stdout, 'served');
  assert.equal((await curl(stage, 'https://asked.test/')).stdout, 'served');
  assert.equal((await curl(stage, ...shown('agent'), 'https://free.test/')).stdout, 'served');
  const records = await stage.recorded(5);
  assert.deepEqual(
    records.map(({ tls }) => tls?.client_certificate?.fault),
    ['no CA is named to verify it', undefined, 'self-signed certificate', undefined, undefined],
  );
});

test('what a plugin answers is for no client that is refused', async () => {
  await using origin = await Origin.https((_request, response) => response.end('served'));
  await using stage = await Stage.open({ 'api.test': origin }, { clientAuth: [rule()], tap: (hooks) => hooks.onRequest.tap('test', () => ({ action: 'answer', rule: 'mock', status: 200, body: 'mocked' })) });
  assert.match((await curl(stage, 'https://api.test/')).stdout, /client_certificate_missing/);
  assert.equal((await curl(stage, ...shown('agent'), 'https://api.test/')).stdout, 'mocked');
});

test('a rule is for its port, and for the server name as well as for the destination', () => {
  const auth = new ClientAuth([rule({ host: 'api.test:8443' }), rule({ host: '*.inner.test' })]);
  assert.equal(auth.for('api.test', 443), null);
  assert.equal(auth.for('api.test', 8443)?.host, 'api.test:8443');
  assert.equal(auth.for('192.0.2.1', 443, 'a.inner.test')?.host, '*.inner.test');
  assert.equal(auth.for('192.0.2.1', 443, null), null);
});
