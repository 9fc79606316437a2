/** Files of client certificates: what can be used, and what is said of what cannot. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { openClientIdentity, type ClientIdentitySource } from '../../../core/capture.ts';
import { ClientCertificateFiles, PASSPHRASE } from '../../stage/client-certificates.ts';

const files = new ClientCertificateFiles();
after(() => files[Symbol.dispose]());
const pem = (cert: string, key: string, passphrase?: string): ClientIdentitySource => ({ cert: files.text(cert), key: files.text(key), passphrase });
const open = (source: ClientIdentitySource) => openClientIdentity(source, 'api.test');

test('PEM, PEM with an encrypted key and PKCS#12 are the same certificate', () => {
  const identities = [open(pem('agent.pem', 'agent.key')), open(pem('agent.pem', 'agent.enc.key', PASSPHRASE)), open({ pkcs12: files.bytes('agent.p12'), passphrase: PASSPHRASE })];
  for (const { subject, sha256, validTo } of identities) {
    assert.deepEqual([subject, sha256], ['O=Stage\nCN=agent 7', files.sha256('agent.pem')]);
    assert.ok(validTo.getTime() > Date.now());
  }
  assert.deepEqual(identities[0]!.material, identities[1]!.material);
});

test('certificate and key may stand in one file, and a chain follows its leaf', () => {
  const both = files.text('agent.key') + files.text('agent.pem');
  assert.equal(open({ cert: both, key: both }).sha256, files.sha256('agent.pem'));
  const { material } = open(pem('chained.pem', 'chained.key'));
  assert.equal('cert' in material && material.cert.match(/BEGIN CERT/g)?.length, 2);
});

test('an expired certificate opens, for a server may not mind', () => {
  assert.ok(open(pem('old.pem', 'old.key')).validTo.getTime() < Date.now());
});

const legacy = (): Buffer => execFileSync('openssl', ['pkcs12', '-export', '-legacy', '-descert', '-certpbe', 'PBE-SHA1-RC2-40', '-in', files.path('agent.pem'), '-inkey', files.path('agent.key'), '-passout', 'pass:x']);
const small = (): ClientIdentitySource => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-subj', '/CN=small', '-keyout', files.path('small.key'), '-out', files.path('small.pem')], { stdio: 'ignore' });
  return pem('small.pem', 'small.key');
};

for (const [what, source, reason] of [
  ['the key of another', () => pem('agent.pem', 'other.key'), /the key does not belong to the certificate/],
  ['a chain before its leaf', () => ({ cert: files.text('below.pem') + files.text('agent.pem'), key: files.text('agent.key') }), /the key belongs to certificate 2, which has to stand first/],
  ['an encrypted key without its passphrase', () => pem('agent.pem', 'agent.enc.key'), /the key is encrypted, and no passphraseEnv/],
  ['an encrypted key with another passphrase', () => pem('agent.pem', 'agent.enc.key', 'wrong'), /the passphrase does not open the key/],
  ['a certificate in place of the key', () => pem('agent.pem', 'agent.pem'), /the key is not PEM/],
  ['a key in place of the certificate', () => pem('agent.key', 'agent.key'), /holds a key alone/],
  ['text that is no certificate', () => ({ cert: 'hello', key: files.text('agent.key') }), /the certificate is not PEM/],
  ['a certificate that is cut', () => ({ cert: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n', key: files.text('agent.key') }), /certificate 1 does not parse/],
  ['a key that is cut', () => ({ cert: files.text('agent.pem'), key: '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n' }), /the key does not parse/],
  ['PKCS#12 with another passphrase', () => ({ pkcs12: files.bytes('agent.p12'), passphrase: 'wrong' }), /the passphrase does not open the PKCS#12 file/],
  ['PKCS#12 without its passphrase', () => ({ pkcs12: files.bytes('agent.p12') }), /the passphrase does not open the PKCS#12 file/],
  ['PKCS#12 that is none', () => ({ pkcs12: files.bytes('agent.pem'), passphrase: 'x' }), /the file is no PKCS#12/],
  ['PKCS#12 of old ciphers', () => ({ pkcs12: legacy(), passphrase: 'x' }), /encrypted in a way that OpenSSL 3 does not read/],
  ['a key that OpenSSL finds too small', small, /key too small/],
] as [string, () => ClientIdentitySource, RegExp][]) {
  test(`${what} is refused with its reason`, () => {
    assert.throws(() => open(source()), (error: Error & { code?: string }) => error.code === 'client_certificate_unusable' && reason.test(error.message) && /api\.test/.test(error.message));
  });
}
