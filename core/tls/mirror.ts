/**
 * Mirrors what a client's hello offers in our own hello to the upstream, since some sites refuse the
 * hello of Node itself. Mirrored: versions, cipher suites, groups, signature algorithms (in the client's
 * order), ALPN and the server name. What Node cannot mirror: the order of extensions, GREASE, padding,
 * key shares beyond the first group, compression of certificates, and ECH.
 */
import type { SecureContextOptions } from 'node:tls';
import type { ClientHello } from '../flow.ts';

/** OpenSSL's names of the suites that it has (IANA TLS Cipher Suites registry). */
const CIPHERS: Readonly<Record<number, string>> = {
  0x1301: 'TLS_AES_128_GCM_SHA256',
  0x1302: 'TLS_AES_256_GCM_SHA384',
  0x1303: 'TLS_CHACHA20_POLY1305_SHA256',
  0x1304: 'TLS_AES_128_CCM_SHA256',
  0xc02b: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  0xc02c: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  0xc02f: 'ECDHE-RSA-AES128-GCM-SHA256',
  0xc030: 'ECDHE-RSA-AES256-GCM-SHA384',
  0xcca8: 'ECDHE-RSA-CHACHA20-POLY1305',
  0xcca9: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  0xccaa: 'DHE-RSA-CHACHA20-POLY1305',
  0xc009: 'ECDHE-ECDSA-AES128-SHA',
  0xc00a: 'ECDHE-ECDSA-AES256-SHA',
  0xc013: 'ECDHE-RSA-AES128-SHA',
  0xc014: 'ECDHE-RSA-AES256-SHA',
  0xc023: 'ECDHE-ECDSA-AES128-SHA256',
  0xc024: 'ECDHE-ECDSA-AES256-SHA384',
  0xc027: 'ECDHE-RSA-AES128-SHA256',
  0xc028: 'ECDHE-RSA-AES256-SHA384',
  0x009e: 'DHE-RSA-AES128-GCM-SHA256',
  0x009f: 'DHE-RSA-AES256-GCM-SHA384',
  0x0033: 'DHE-RSA-AES128-SHA',
  0x0039: 'DHE-RSA-AES256-SHA',
  0x0067: 'DHE-RSA-AES128-SHA256',
  0x006b: 'DHE-RSA-AES256-SHA256',
  0x009c: 'AES128-GCM-SHA256',
  0x009d: 'AES256-GCM-SHA384',
  0x002f: 'AES128-SHA',
  0x0035: 'AES256-SHA',
  0x003c: 'AES128-SHA256',
  0x003d: 'AES256-SHA256',
};

/** IANA TLS Supported Groups registry. */
const GROUPS: Readonly<Record<number, string>> = {
  23: 'P-256',
  24: 'P-384',
  25: 'P-521',
  29: 'X25519',
  30: 'X448',
  256: 'ffdhe2048',
  257: 'ffdhe3072',
  258: 'ffdhe4096',
  4587: 'SecP256r1MLKEM768',
  4588: 'X25519MLKEM768',
  4589: 'SecP384r1MLKEM1024',
};

/** IANA TLS SignatureScheme registry. */
const SIGNATURES: Readonly<Record<number, string>> = {
  0x0401: 'rsa_pkcs1_sha256',
  0x0501: 'rsa_pkcs1_sha384',
  0x0601: 'rsa_pkcs1_sha512',
  0x0403: 'ecdsa_secp256r1_sha256',
  0x0503: 'ecdsa_secp384r1_sha384',
  0x0603: 'ecdsa_secp521r1_sha512',
  0x0804: 'rsa_pss_rsae_sha256',
  0x0805: 'rsa_pss_rsae_sha384',
  0x0806: 'rsa_pss_rsae_sha512',
  0x0807: 'ed25519',
  0x0808: 'ed448',
  0x0809: 'rsa_pss_pss_sha256',
  0x080a: 'rsa_pss_pss_sha384',
  0x080b: 'rsa_pss_pss_sha512',
  0x0201: 'rsa_pkcs1_sha1',
  0x0203: 'ecdsa_sha1',
};

const VERSIONS = [
  [0x0301, 'TLSv1'],
  [0x0302, 'TLSv1.1'],
  [0x0303, 'TLSv1.2'],
  [0x0304, 'TLSv1.3'],
] as const;

/** The options of a secure context that offers what the client offered; without a hello, Node's own defaults. */
export function mirroredOptions(hello: ClientHello | null): SecureContextOptions {
  if (!hello) return {};
  const offered = VERSIONS.filter(([id]) => hello.versions.includes(id));
  const legacy = offered.some(([id]) => id < 0x0303);
  const options: SecureContextOptions = {};
  const ciphers = names(hello.ciphers, CIPHERS);
  const groups = names(hello.groups, GROUPS);
  const signatures = names(hello.signatureAlgorithms, SIGNATURES);
  if (offered.length > 0) {
    options.minVersion = offered[0]![1];
    options.maxVersion = offered.at(-1)![1];
  }
  // OpenSSL's security level would leave out what old versions need; the client chose to offer them.
  if (ciphers.length > 0) options.ciphers = ciphers.join(':') + (legacy ? ':@SECLEVEL=0' : '');
  if (groups.length > 0) options.ecdhCurve = groups.join(':');
  if (signatures.length > 0) options.sigalgs = signatures.join(':');
  return options;
}

/** One text for all that `mirroredOptions` reads: hellos of one kind of client share a context. */
export function mirrorKey(hello: ClientHello | null): string {
  return hello ? [hello.versions, hello.ciphers, hello.groups, hello.signatureAlgorithms].join(';') : '';
}

function names(ids: readonly number[], table: Readonly<Record<number, string>>): string[] {
  return ids.map((id) => table[id]).filter((name) => name !== undefined);
}
