import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { connect as connectTls, createServer } from 'node:tls';
import { CertificateAuthority } from '../../../core/tls/authority.ts';
import { authorityCertificate, pem } from '../../../core/tls/certificate.ts';
import { integer, objectIdentifier, tagged, time } from '../../../core/tls/der.ts';
import { run } from '../../stage/program.ts';

const HOUR = 3_600_000;
const folder = mkdtempSync(join(tmpdir(), 'mentu-authority-'));
after(() => rmSync(folder, { recursive: true }));

const authority = CertificateAuthority.create('job_of_this_test');
const caFile = join(folder, 'ca.pem');
writeFileSync(caFile, authority.certificate);

const LONG = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`;
const HOSTS = ['example.com', 'xn--bcher-kva.example', LONG, 'a_b.example.com', '192.0.2.1', '2001:db8::1', '::1', '::ffff:c000:201', 'fe80::', '1:2:3:4:5:6:7:8'];

describe('a certificate of the authority', () => {
  for (const host of HOSTS) {
    test(`for ${host.slice(0, 40)} is verified strictly by OpenSSL, for that name alone`, async () => {
      const file = join(folder, 'leaf.pem');
      writeFileSync(file, authority.mint(host));
      const flag = /^[\d.]+$|:/.test(host) ? '-verify_ip' : '-verify_hostname';
      const verify = (name: string) => run('openssl', ['verify', '-x509_strict', '-check_ss_sig', '-purpose', 'sslserver', flag, name, '-CAfile', caFile, file]);
      const result = await verify(host);
      assert.equal(result.stdout, `${file}: OK\n`, result.stderr);
      assert.notEqual((await verify(flag === '-verify_ip' ? '192.0.2.99' : 'other.example')).code, 0);
    });
  }

  test('is valid a little before now, for a day at most, and never longer than the authority', () => {
    const { validFrom, validTo } = new X509Certificate(authority.mint('example.com'));
    const [from, to] = [Date.parse(validFrom), Date.parse(validTo)];
    assert.ok(from < Date.now() && from > Date.now() - HOUR);
    assert.ok(to > Date.now() && to - from <= 24 * HOUR);
    const brief = CertificateAuthority.create('brief', HOUR);
    assert.equal(new X509Certificate(brief.mint('example.com')).validTo, new X509Certificate(brief.certificate).validTo);
  });

  test('has a number of its own', () => {
    const numbers = new Set(Array.from({ length: 100 }, () => new X509Certificate(authority.mint('example.com')).serialNumber));
    assert.equal(numbers.size, 100);
  });
});

describe('the authority', () => {
  test('may sign servers and no further authority', async () => {
    const { stdout } = await run('openssl', ['x509', '-in', caFile, '-noout', '-text']);
    assert.match(stdout, /Basic Constraints: critical\n\s*CA:TRUE, pathlen:0/);
    assert.match(stdout, /Key Usage: critical\n\s*Certificate Sign, CRL Sign/);
    assert.match(stdout, /Public-Key: \(256 bit\)[^]*NIST CURVE: P-256/);
    assert.match(stdout, /Subject: O = Mentu Interceptor, CN = Mentu job CA job_of_this_test/);
    assert.match(stdout, /Signature Algorithm: ecdsa-with-SHA256/);
  });

  test('is kept and taken up again', () => {
    const again = CertificateAuthority.load(authority.export());
    assert.equal(again.certificate, authority.certificate);
    const leaf = new X509Certificate(again.mint('example.com'));
    const ca = new X509Certificate(authority.certificate);
    assert.equal(leaf.verify(ca.publicKey), true);
    assert.equal(leaf.checkIssued(ca), true);
    assert.equal(createPrivateKey(again.export().key).asymmetricKeyType, 'ec');
  });

  test('is not taken up from what is none', () => {
    const files = authority.export();
    const other = CertificateAuthority.create('other').export();
    const keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const made = (from: number, to: number, name: object) => pem(authorityCertificate(name, keys.publicKey, keys.privateKey, { from: new Date(Date.now() + from), to: new Date(Date.now() + to) }));
    for (const [what, broken] of [
      ['no PEM', { ...files, certificate: 'nothing' }],
      ['no key', { ...files, key: 'nothing' }],
      ['the key of another', { ...files, key: other.key }],
      ['no authority', { certificate: authority.mint('example.com'), key: files.key }],
      ['an expired one', { certificate: made(-2 * HOUR, -HOUR, { organization: 'o', commonName: 'c' }), key }],
      ['one of another maker', { certificate: made(-HOUR, HOUR, { commonName: 'c' }), key }],
    ] as const) {
      assert.throws(() => CertificateAuthority.load(broken), { code: 'ca_invalid' }, what);
    }
  });

  test('keeps a context for each name, and not for ever more of them', () => {
    const small = CertificateAuthority.create('contexts');
    const first = small.contextFor('a.example');
    assert.equal(small.contextFor('a.example'), first);
    assert.notEqual(small.contextFor('b.example'), first);
  });

  test('is believed by Python and by Node, over every version of TLS that they speak', async () => {
    const server = createServer({ SNICallback: (name, done) => done(null, authority.contextFor(name)), minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' }, (socket) => socket.end('hello'));
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    after(() => void server.close());
    const { port } = server.address() as { port: number };
    const script = `
import ssl, socket
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile='${caFile}')
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    context.minimum_version = context.maximum_version = version
    with context.wrap_socket(socket.create_connection(('127.0.0.1', ${port})), server_hostname='example.com') as tls:
        print(tls.version(), tls.recv(10).decode())
`;
    const python = await run('/usr/bin/python3', ['-c', script]);
    assert.equal(python.stdout, 'TLSv1.2 hello\nTLSv1.3 hello\n', python.stderr);
    for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const) {
      const client = connectTls({ port, servername: LONG, ca: authority.certificate, minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' });
      let text = '';
      for await (const chunk of client) text += chunk;
      assert.equal(text, 'hello', version);
    }
  });
});

describe('DER', () => {
  test('writes lengths of every form', () => {
    assert.equal(tagged(4, Buffer.alloc(0)).toString('hex'), '0400');
    assert.equal(tagged(4, Buffer.alloc(127)).subarray(0, 2).toString('hex'), '047f');
    assert.equal(tagged(4, Buffer.alloc(128)).subarray(0, 3).toString('hex'), '048180');
    assert.equal(tagged(4, Buffer.alloc(256)).subarray(0, 4).toString('hex'), '04820100');
    assert.equal(tagged(4, Buffer.alloc(65_536)).subarray(0, 5).toString('hex'), '0483010000');
  });

  test('writes integers that stay positive, in the least bytes', () => {
    const hex = (text: string): string => integer(Buffer.from(text, 'hex')).toString('hex');
    assert.deepEqual(['00', '7f', '80', '0001', '0080', 'ff00'].map(hex), ['020100', '02017f', '02020080', '020101', '02020080', '020300ff00']);
  });

  test('writes object identifiers', () => {
    assert.equal(objectIdentifier('1.2.840.10045.4.3.2').toString('hex'), '06082a8648ce3d040302');
    assert.equal(objectIdentifier('2.5.29.17').toString('hex'), '0603551d11');
    assert.equal(objectIdentifier('2.999.3').toString('hex'), '0603883703');
  });

  test('writes times of both kinds', () => {
    assert.equal(time(new Date('2049-12-31T23:59:59Z')).subarray(2).toString(), '491231235959Z');
    assert.equal(time(new Date('2050-01-01T00:00:00Z')).subarray(2).toString(), '20500101000000Z');
  });
});
