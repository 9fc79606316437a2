import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { certificatesOf, subjectHash } from '../../../../plugins/engines/trust/certificate.ts';

test('PEM to DER, with text between the blocks', () => {
  const pem = rootCertificates.slice(0, 3).join('\n# a comment\n');
  assert.deepEqual(certificatesOf(pem), rootCertificates.slice(0, 3).map((text) => new X509Certificate(text).raw));
  assert.deepEqual(certificatesOf('nothing'), []);
});

test("the subject hash is OpenSSL's, for every root that Node knows", () => {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-test-'));
  try {
    rootCertificates.forEach((pem, index) => writeFileSync(join(folder, `${index}.pem`), pem));
    execFileSync('openssl', ['rehash', folder], { stdio: 'pipe' });
    const links = readdirSync(folder).filter((name) => /^[0-9a-f]{8}\.\d+$/.test(name));
    const expected = new Map(links.map((name) => [readlinkSync(join(folder, name)), name.split('.')[0]]));
    assert.equal(expected.size, rootCertificates.length);
    rootCertificates.forEach((pem, index) => assert.equal(subjectHash(new X509Certificate(pem).raw), expected.get(`${index}.pem`)));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the subject hash folds case, space and the types of strings as OpenSSL does', () => {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-test-'));
  try {
    for (const [subject, ...options] of [['/CN=  Two   words  /O=ÄÖ Łódź', '-utf8'], ['/C=DE/CN=MIXED Case/emailAddress=A@Example.ORG'], ['/CN=a+OU=b']] as const) {
      execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null', '-out', 'ca.pem', '-multivalue-rdn', '-subj', subject, ...options], { cwd: folder, stdio: 'pipe' });
      const expected = execFileSync('openssl', ['x509', '-in', 'ca.pem', '-noout', '-hash'], { cwd: folder, encoding: 'utf8' }).trim();
      const [der] = certificatesOf(readFileSync(join(folder, 'ca.pem'), 'utf8'));
      assert.equal(subjectHash(der!), expected, subject);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('what is no certificate is an error, and not a hash', () => {
  for (const bytes of [[], [0x30], [0x30, 0x80], [0x30, 0x84, 0xff, 0xff, 0xff, 0xff], [0x30, 0x02, 0x30, 0x00]]) {
    assert.throws(() => subjectHash(Buffer.from(bytes)));
  }
});
