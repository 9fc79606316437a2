/**
 * Every trust store of a guest, as files that an engine lays over the guest's root. Where a file's folder exists on
 * the host, the engine keeps the rest of that folder.
 */
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { certificatesOf, subjectHash } from './certificate.ts';
import { javaKeystore } from './keystore.ts';
import { AUTHORITY_FILE, BUNDLE_FILE } from './variables.ts';

/** Where distributions keep the bundle of all that the system trusts; the first that exists is the host's. */
const BUNDLES = [
  BUNDLE_FILE,
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const;

/** The bundles that every guest has, whatever the host is. */
const ALWAYS: ReadonlySet<string> = new Set([BUNDLE_FILE, '/etc/ssl/cert.pem', '/etc/pki/tls/certs/ca-bundle.crt']);

const HASH_DIRECTORY = '/etc/ssl/certs';
const JAVA_HOMES = '/usr/lib/jvm';
const JAVA_STORES = ['lib/security/cacerts', 'jre/lib/security/cacerts'] as const;
const SHARED_JAVA_STORES = ['/etc/ssl/certs/java/cacerts', '/etc/pki/java/cacerts', '/etc/pki/ca-trust/extracted/java/cacerts'] as const;
const CHROMIUM_POLICIES = ['/etc/chromium/policies/managed', '/etc/opt/chrome/policies/managed'] as const;

/** A file's content, or where a link leads; plain JSON, for it may go to another process. */
export type TrustContent = { readonly text: string } | { readonly base64: string } | { readonly link: string };

export interface TrustFile {
  /** Absolute path in the guest. */
  readonly path: string;
  readonly content: TrustContent;
}

/** The bundle of the host's system, or Node's own where the host has none. */
export function hostBundle(): string {
  const file = BUNDLES.find((path) => existsSync(path));
  return file === undefined ? rootCertificates.join('\n') : readFileSync(file, 'utf8');
}

/**
 * `authority`: PEM of the job's CA certificate.
 */
export function trustFiles(authority: string, now: number = Date.now()): TrustFile[] {
  const [der] = certificatesOf(authority);
  if (!der) throw new Error('the job CA is not a PEM certificate');
  const pem = authority.trimEnd() + '\n';
  const bundle = `${hostBundle().trimEnd()}\n${pem}`;
  const others = BUNDLES.filter((path) => path !== BUNDLE_FILE && (ALWAYS.has(path) || existsSync(path)));
  const policy = JSON.stringify({ CACertificates: [der.toString('base64')] });
  const javaStores = hostJavaStores();
  const keystore = javaStores.length > 0 ? javaKeystore(certificatesOf(bundle), now) : null;
  return [
    { path: BUNDLE_FILE, content: { text: bundle } },
    ...others.map((path) => ({ path, content: { link: BUNDLE_FILE } })),
    { path: AUTHORITY_FILE, content: { text: pem } },
    { path: hashLink(der), content: { link: AUTHORITY_FILE } },
    ...CHROMIUM_POLICIES.map((folder) => ({ path: join(folder, 'mentu.json'), content: { text: policy } })),
    ...(keystore ? javaStores.map((path) => ({ path, content: { base64: keystore.toString('base64') } })) : []),
  ];
}

/** The first free name in OpenSSL's hash directory. */
function hashLink(der: Buffer): string {
  const base = join(HASH_DIRECTORY, subjectHash(der));
  for (let number = 0; number < 100; number++) {
    if (!existsSync(`${base}.${number}`)) return `${base}.${number}`;
  }
  throw new Error(`no free name for ${base} in the hash directory`);
}

/** The real paths of the stores of every Java on the host; without one, this costs a single failed look-up. */
function hostJavaStores(): string[] {
  const shared = SHARED_JAVA_STORES.filter((path) => existsSync(path));
  const own = listed(JAVA_HOMES).flatMap((home) => JAVA_STORES.map((store) => join(JAVA_HOMES, home, store)));
  return [...new Set([...shared, ...own].flatMap((path) => realPaths(path)))];
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function realPaths(path: string): string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}
