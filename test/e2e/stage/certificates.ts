/** A private CA and one server certificate, made by openssl, so that our own certificate code is not its own witness. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ServerIdentity {
  readonly key: string;
  readonly cert: string;
  /** The CA's certificate file. */
  readonly authorityFile: string;
}

const NAMES = ['demo.test', '*.demo.test', '*.deep.demo.test', 'xn--bcher-kva.test', '*.other.test'];

/** `addresses`: addresses that the certificate is valid for besides the names of the stage. */
export function serverIdentity(folder: string, addresses: readonly string[] = []): ServerIdentity {
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...newKey, '-subj', '/CN=stage CA', '-keyout', path('ca.key'), '-out', path('ca.pem'));
  const alternatives = [...NAMES.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)].join(',');
  writeFileSync(path('leaf.ext'), `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n`);
  openssl('req', ...newKey, '-subj', '/CN=stage', '-keyout', path('leaf.key'), '-out', path('leaf.csr'));
  openssl('x509', '-req', '-in', path('leaf.csr'), '-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', path('leaf.ext'), '-out', path('leaf.pem'));
  return { key: readFileSync(path('leaf.key'), 'utf8'), cert: readFileSync(path('leaf.pem'), 'utf8'), authorityFile: path('ca.pem') };
}
