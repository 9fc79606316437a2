/** A server's first flight, read by who only looks on. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { cipherName, versionName } from '../../../core/tls/cipher-suites.ts';
import { distinguishedName } from '../../../core/tls/distinguished-name.ts';
import { serverHandshakeSecret, unprotecting } from '../../../core/tls/handshake-secret.ts';
import { ServerFlight } from '../../../core/tls/server-flight.ts';
import { ClientCertificateFiles } from '../../stage/client-certificates.ts';
import { originCA } from '../../stage/origin.ts';
import { serverFlight } from '../../stage/server-flight.ts';

const files = new ClientCertificateFiles();
after(() => files[Symbol.dispose]());
const identity = originCA.identity('api.test');
const asking = { ...identity, requestCert: true, rejectUnauthorized: false, ca: [files.text('ca.pem'), files.text('below.pem')], ALPNProtocols: ['http/1.1'] };
const NAMES = ['CN=Agents CA, O=Stage', 'CN=Agents CA below, O=Stage'];

function read(bytes: Buffer, pieces: number, flight = new ServerFlight()): ServerFlight {
  for (let at = 0; at < bytes.length; at += pieces) flight.push(Buffer.from(bytes.subarray(at, at + pieces)));
  return flight;
}
const shown = ({ version, cipher, alpn, certificate, authorities }: ServerFlight) => ({
  version: version && versionName(version),
  cipher: cipher && cipherName(cipher),
  alpn,
  subject: certificate && new X509Certificate(certificate).subjectAltName,
  authorities: authorities?.map(distinguishedName) ?? null,
});

for (const pieces of [1, 7, 1000, 100_000]) {
  test(`of TLS 1.2, in pieces of ${pieces}: version, cipher, ALPN, certificate and the CAs that it asks for`, async () => {
    const { bytes } = await serverFlight({ ...asking, maxVersion: 'TLSv1.2' }, { ALPNProtocols: ['http/1.1'], ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' });
    assert.deepEqual(shown(read(bytes, pieces)), { version: 'TLSv1.2', cipher: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', alpn: 'http/1.1', subject: 'DNS:api.test', authorities: NAMES });
  });
}

describe('of TLS 1.3', () => {
  test('version and cipher, and nothing of what is encrypted', async () => {
    const { bytes } = await serverFlight(asking, { ALPNProtocols: ['http/1.1'] });
    const flight = read(bytes, 100);
    assert.deepEqual(shown(flight), { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', alpn: null, subject: null, authorities: null });
    assert.equal(flight.isOver, true);
  });

  test('after a HelloRetryRequest as well', async () => {
    const { bytes } = await serverFlight({ ...asking, ecdhCurve: 'P-384' }, { ecdhCurve: 'X25519:P-384' });
    assert.equal(shown(read(bytes, 50)).version, 'TLSv1.3');
  });

  for (const suite of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']) {
    test(`with the secret of our own connection all of it, under ${suite}`, async () => {
      const { bytes, keys } = await serverFlight(asking, { ALPNProtocols: ['http/1.1'], ciphers: suite });
      const secret = keys.map(serverHandshakeSecret).find((found) => found !== null)!;
      const flight = read(bytes, 33, new ServerFlight(unprotecting(read(bytes, 100).cipher!, secret)));
      assert.deepEqual(shown(flight), { version: 'TLSv1.3', cipher: suite, alpn: null, subject: 'DNS:api.test', authorities: NAMES });
    });
  }
});

test('bytes that are no handshake end the reading and leave nulls', () => {
  for (const bytes of [Buffer.from('SSH-2.0-OpenSSH\r\n'), Buffer.from('160301ffff', 'hex'), Buffer.from('1503030002022816030300', 'hex'), Buffer.from('170303000100', 'hex')]) {
    assert.deepEqual(shown(read(bytes, 3)), { version: null, cipher: null, alpn: null, subject: null, authorities: null });
  }
});

test('records of a byte each, without end, are not read for ever', () => {
  const flight = new ServerFlight();
  const record = Buffer.from('160303000102', 'hex');
  for (let count = 0; count < 1000; count++) flight.push(record);
  assert.equal(flight.isOver, true);
});

test('names are text that a terminal can take', () => {
  const name = (value: Buffer, tag = 12): Buffer => {
    const attribute = Buffer.concat([Buffer.from([6, 3, 0x55, 4, 3, tag, value.length]), value]);
    return Buffer.concat([Buffer.from([0x30, attribute.length + 4, 0x31, attribute.length + 2, 0x30, attribute.length]), attribute]);
  };
  assert.equal(distinguishedName(name(Buffer.from('a\u001b[31mb'))), 'CN=a?[31mb');
  assert.equal(distinguishedName(name(Buffer.from('\0C\0A'), 30)), 'CN=CA');
  assert.equal(distinguishedName(Buffer.from('3003020101', 'hex')), null);
  assert.equal(distinguishedName(Buffer.from('30ff', 'hex')), null);
});
