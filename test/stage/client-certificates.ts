/** Certificates of clients, made by openssl: a CA, one below it, and what agents have of them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const PASSPHRASE = 'opens it';

/** Files in a folder of their own:
 * `ca.pem`; `agent.pem` and `agent.key`, and the key encrypted in `agent.enc.key`, both in `agent.p12`; `chained.pem`
 * (with its intermediate) and `chained.key`; `old.pem` (expired) and `old.key`; `other.pem` (self-signed) and `other.key`.
 */
export class ClientCertificateFiles implements Disposable {
  readonly folder: string;
  readonly #isOwn: boolean;

  constructor(folder?: string) {
    this.#isOwn = folder === undefined;
    this.folder = folder ?? mkdtempSync(join(tmpdir(), 'client-certificates-'));
    this.#authority('ca', 'Agents CA', []);
    this.#leaf('agent', 'agent 7', 'ca', ['-days', '2']);
    this.#leaf('old', 'old agent', 'ca', ['-days', '-1']);
    this.#authority('below', 'Agents CA below', ['-CA', this.path('ca.pem'), '-CAkey', this.path('ca.key')]);
    this.#leaf('chained', 'chained agent', 'below', ['-days', '2']);
    writeFileSync(this.path('chained.pem'), this.text('chained.pem') + this.text('below.pem'));
    this.#openssl('req', '-x509', ...NEW_KEY, '-nodes', '-days', '2', '-subj', '/CN=stranger', '-keyout', this.path('other.key'), '-out', this.path('other.pem'));
    this.#openssl('pkcs8', '-topk8', '-in', this.path('agent.key'), '-out', this.path('agent.enc.key'), '-passout', `pass:${PASSPHRASE}`);
    this.#openssl('pkcs12', '-export', '-in', this.path('agent.pem'), '-inkey', this.path('agent.key'), '-out', this.path('agent.p12'), '-passout', `pass:${PASSPHRASE}`);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  text(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  bytes(name: string): Buffer {
    return readFileSync(this.path(name));
  }

  /** Lower-case hex of a certificate's SHA-256. */
  sha256(name: string): string {
    const out = execFileSync('openssl', ['x509', '-in', this.path(name), '-noout', '-fingerprint', '-sha256'], { encoding: 'utf8' });
    return out.trim().split('=')[1]!.replaceAll(':', '').toLowerCase();
  }

  [Symbol.dispose](): void {
    if (this.#isOwn) rmSync(this.folder, { recursive: true, force: true });
  }

  #authority(name: string, commonName: string, issuer: readonly string[]): void {
    this.#openssl('req', '-x509', ...NEW_KEY, '-nodes', '-days', '2', '-subj', `/O=Stage/CN=${commonName}`, '-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', this.path(`${name}.key`), '-out', this.path(`${name}.pem`), ...issuer);
  }

  #leaf(name: string, commonName: string, issuer: string, days: readonly string[]): void {
    writeFileSync(this.path('leaf.ext'), 'basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n');
    this.#openssl('req', ...NEW_KEY, '-nodes', '-subj', `/O=Stage/CN=${commonName}`, '-keyout', this.path(`${name}.key`), '-out', this.path('leaf.csr'));
    this.#openssl('x509', '-req', '-in', this.path('leaf.csr'), '-CA', this.path(`${issuer}.pem`), '-CAkey', this.path(`${issuer}.key`), '-CAcreateserial', ...days, '-extfile', this.path('leaf.ext'), '-out', this.path(`${name}.pem`));
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 });
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const;
