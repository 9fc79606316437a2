/** A certificate of ours with its key, for servers that ask for one: checked when it is read, so that no flow fails for it later. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { MentuError } from '../errors.ts';
import { fingerprint } from './certificate-record.ts';

/** As it lies in files: PEM, the leaf before its chain, or PKCS#12. */
export type ClientIdentitySource =
  | { readonly cert: string; readonly key: string; readonly passphrase?: string | undefined }
  | { readonly pkcs12: Buffer; readonly passphrase?: string | undefined };

export interface ClientIdentity {
  /** For a secure context. PEM has its key decrypted. */
  readonly material: { readonly cert: string; readonly key: string } | { readonly pfx: Buffer; readonly passphrase: string };
  readonly subject: string;
  /** Of the certificate, in hex. */
  readonly sha256: string;
  readonly validFrom: Date;
  readonly validTo: Date;
}

const BLOCK = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** Throws `client_certificate_unusable`. @param host the pattern that it is for. */
export function openClientIdentity(source: ClientIdentitySource, host: string): ClientIdentity {
  try {
    return 'pkcs12' in source ? fromPkcs12(source) : fromPem(source);
  } catch (cause) {
    if (!(cause instanceof Unusable)) throw cause;
    throw new MentuError('client_certificate_unusable', { host, reason: cause.message }, { cause: cause.cause });
  }
}

/** With the reason in words. */
class Unusable extends Error {}

function fromPem({ cert, key, passphrase }: Extract<ClientIdentitySource, { cert: string }>): ClientIdentity {
  const blocks = cert.match(BLOCK);
  if (!blocks) throw invalid(cert.includes('PRIVATE KEY-----') ? 'the file of the certificate holds a key alone' : 'the certificate is not PEM');
  const chain = blocks.map((block, index) => parsed(block, `certificate ${index + 1}`));
  const privateKey = openKey(key, passphrase);
  const leaf = chain[0]!;
  if (!leaf.checkPrivateKey(privateKey)) {
    const at = chain.findIndex((certificate) => certificate.checkPrivateKey(privateKey));
    throw invalid(at === -1 ? 'the key does not belong to the certificate' : `the key belongs to certificate ${at + 1}, which has to stand first in its file`);
  }
  const material = { cert: `${blocks.join('\n')}\n`, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
  contextOf(material);
  return { material, ...factsOf(leaf) };
}

function openKey(key: string, passphrase: string | undefined): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(passphrase === undefined ? key : { key, passphrase });
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    if (passphrase === undefined && (code === 'ERR_MISSING_PASSPHRASE' || key.includes('ENCRYPTED'))) throw invalid('the key is encrypted, and no passphraseEnv names the variable with its passphrase', cause);
    if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key)) throw invalid('the key is not PEM', cause);
    throw invalid(key.includes('ENCRYPTED') ? 'the passphrase does not open the key' : `the key does not parse: ${reasonOf(cause)}`, cause);
  }
}

function fromPkcs12({ pkcs12, passphrase = '' }: Extract<ClientIdentitySource, { pkcs12: Buffer }>): ClientIdentity {
  const material = { pfx: pkcs12, passphrase };
  // Node has no other reader of PKCS#12.
  const { context } = contextOf(material) as { context: { getCertificate(): Buffer | null } };
  const der = context.getCertificate();
  if (!der) throw invalid('the PKCS#12 file holds no certificate');
  return { material, ...factsOf(parsed(der, 'the certificate in the PKCS#12 file')) };
}

function contextOf(material: ClientIdentity['material']): SecureContext {
  try {
    return createSecureContext(material);
  } catch (cause) {
    throw invalid(pkcs12Reason(reasonOf(cause)), cause);
  }
}

function pkcs12Reason(reason: string): string {
  if (/mac verify failure/i.test(reason)) return 'the passphrase does not open the PKCS#12 file';
  if (/unsupported/i.test(reason)) return 'the PKCS#12 file is encrypted in a way that OpenSSL 3 does not read; export it anew with current ciphers';
  if (/not enough data|wrong tag|header too long|asn1|too long/i.test(reason)) return 'the file is no PKCS#12';
  return reason;
}

function parsed(certificate: string | Buffer, what: string): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw invalid(`${what} does not parse`, cause);
  }
}

function factsOf(leaf: X509Certificate): Pick<ClientIdentity, 'subject' | 'sha256' | 'validFrom' | 'validTo'> {
  return { subject: leaf.subject ?? '', sha256: fingerprint(leaf), validFrom: new Date(leaf.validFrom), validTo: new Date(leaf.validTo) };
}

function reasonOf(cause: unknown): string {
  const { reason, message } = cause as Error & { reason?: string };
  return reason ?? message;
}

function invalid(reason: string, cause?: unknown): Unusable {
  return new Unusable(reason, { cause });
}
