/** The job's certificate authority: made for the job, its key in memory alone, a certificate for each name on demand. */
import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { MentuError } from '../errors.ts';
import type { ClientAuthRule } from './client-auth.ts';
import { authorityCertificate, pem, serverCertificate, type DistinguishedName, type Validity } from './certificate.ts';

const HOUR = 3_600_000;
/** A job's certificates are good for a day at most. */
export const LONGEST_VALIDITY = 24 * HOUR;
/** Clients whose clock is a little behind must accept them too. */
const CLOCK_SKEW = 10 * 60_000;
/** Server contexts kept, each for half the life of its certificate; beyond it the one used longest ago is made anew when it is wanted. */
const MAX_CONTEXTS = 2000;

export interface AuthorityFiles {
  readonly certificate: string;
  readonly key: string;
}

export class CertificateAuthority {
  /** PEM, for the guest's trust stores. */
  readonly certificate: string;
  readonly #name: DistinguishedName;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #leaf = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  readonly #leafKey: string;
  readonly #contexts = new Map<string, { readonly context: SecureContext; readonly until: number }>();
  readonly #identities = new Map<string, { readonly key: string; readonly certificate: string; readonly until: number }>();
  readonly #notAfter: Date;

  private constructor(certificate: string, name: DistinguishedName, privateKey: KeyObject, notAfter: Date) {
    this.certificate = certificate;
    this.#name = name;
    this.#privateKey = privateKey;
    this.#publicKey = createPublicKey(privateKey);
    this.#leafKey = this.#leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    this.#notAfter = notAfter;
  }

  /** A new authority. @param lifetime milliseconds; 24 h at most for a job's own. */
  static create(jobId: string, lifetime = LONGEST_VALIDITY): CertificateAuthority {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const name = { organization: 'Mentu Interceptor', commonName: `Mentu job CA ${jobId}`.slice(0, 64) };
    const validity = from(lifetime);
    return new CertificateAuthority(pem(authorityCertificate(name, publicKey, privateKey, validity)), name, privateKey, validity.to);
  }

  /** An authority that was kept; throws `ca_invalid`. */
  static load(files: AuthorityFiles): CertificateAuthority {
    let certificate: X509Certificate;
    let key: KeyObject;
    try {
      certificate = new X509Certificate(files.certificate);
      key = createPrivateKey(files.key);
    } catch (cause) {
      throw new MentuError('ca_invalid', { reason: cause instanceof Error ? cause.message : String(cause) }, { cause });
    }
    if (!certificate.ca || !certificate.checkPrivateKey(key)) throw new MentuError('ca_invalid', { reason: 'the key does not belong to the certificate' });
    const notAfter = new Date(certificate.validTo);
    if (notAfter.getTime() < Date.now()) throw new MentuError('ca_invalid', { reason: `it expired on ${certificate.validTo}` });
    const field = (name: string): string | undefined => certificate.subject.split('\n').find((line) => line.startsWith(name + '='))?.slice(name.length + 1);
    const organization = field('O');
    const commonName = field('CN');
    if (organization === undefined || commonName === undefined) throw new MentuError('ca_invalid', { reason: 'it was not made by this program' });
    return new CertificateAuthority(files.certificate, { organization, commonName }, key, notAfter);
  }

  /** For a CA that is to be kept: both halves in PEM. */
  export(): AuthorityFiles {
    return { certificate: this.certificate, key: this.#privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
  }

  /**
   * The server context for a name or address, minted when it is first asked for. @param rule by which clients are asked for
   * a certificate: its context is one of its own, so that no session goes from one that does not ask to one that does.
   */
  contextFor(host: string, rule: ClientAuthRule | null = null): SecureContext {
    const key = rule === null ? host : `${host} ${rule.host}`;
    const known = this.#contexts.get(key);
    this.#contexts.delete(key);
    if (known && known.until > Date.now()) {
      this.#contexts.set(key, known);
      return known.context;
    }
    const asking = rule && { sessionIdContext: 'clientAuth', ...(rule.ca === null ? {} : { ca: rule.ca }) };
    const context = createSecureContext({ key: this.#leafKey, cert: this.mint(host), minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0', ...asking });
    if (this.#contexts.size >= MAX_CONTEXTS) this.#contexts.delete(this.#contexts.keys().next().value!);
    this.#contexts.set(key, { context, until: Date.now() + LONGEST_VALIDITY / 2 });
    return context;
  }

  /** Key and certificate for a name or address, in PEM, for a transport that has contexts of its own. */
  identityFor(host: string): { readonly key: string; readonly certificate: string } {
    const known = this.#identities.get(host);
    if (known && known.until > Date.now()) return known;
    const identity = { key: this.#leafKey, certificate: this.mint(host), until: Date.now() + LONGEST_VALIDITY / 2 };
    this.#identities.delete(host);
    if (this.#identities.size >= MAX_CONTEXTS) this.#identities.delete(this.#identities.keys().next().value!);
    this.#identities.set(host, identity);
    return identity;
  }

  /** PEM of a server certificate for a name or address. */
  mint(host: string): string {
    const issuer = { name: this.#name, publicKey: this.#publicKey, privateKey: this.#privateKey };
    const validity = from(LONGEST_VALIDITY);
    const to = validity.to > this.#notAfter ? this.#notAfter : validity.to;
    return pem(serverCertificate(host, this.#leaf.publicKey, issuer, { from: validity.from, to }));
  }
}

function from(lifetime: number): Validity {
  const now = Date.now();
  return { from: new Date(now - CLOCK_SKEW), to: new Date(now - CLOCK_SKEW + lifetime) };
}
