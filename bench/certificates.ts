/** The benchmark's own authority and the certificate of its origins. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { authorityCertificate, pem, serverCertificate } from '../core/tls/certificate.ts';

const DAY = 24 * 3_600_000;

export interface OriginFiles {
  /** PEM files: the authority to trust, and the origin's certificate and key. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes an authority and a server certificate for `host` in `directory`, valid for a day. */
export function writeOriginFiles(directory: string, host: string): OriginFiles {
  const validity = { from: new Date(Date.now() - DAY / 24), to: new Date(Date.now() + DAY) };
  const authority = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const server = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const name = { organization: 'Mentu Interceptor', commonName: 'benchmark origins' };
  const issuer = { name, publicKey: authority.publicKey, privateKey: authority.privateKey };
  const files = { authority: join(directory, 'origin-ca.pem'), certificate: join(directory, 'origin.pem'), key: join(directory, 'origin.key') };
  writeFileSync(files.authority, pem(authorityCertificate(name, authority.publicKey, authority.privateKey, validity)));
  writeFileSync(files.certificate, pem(serverCertificate(host, server.publicKey, issuer, validity)));
  writeFileSync(files.key, server.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return files;
}
