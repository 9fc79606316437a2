/**
 * Every trust store of a guest, as files that an engine lays over the guest's root. Where a file's folder exists in
 * that root, the engine keeps the rest of that folder.
 */
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { bytes, named } from '../root/paths.ts';
import type { TrustFile } from '../root/plan.ts';
import { HOST_TREE } from '../rootfs/tree.ts';
import type { RootTree } from '../rootfs/tree.ts';
import { certificatesOf, subjectHash } from './certificate.ts';
import { javaKeystore } from './keystore.ts';
import { AUTHORITY_FILE, BUNDLE_FILE } from './variables.ts';

/** Where distributions keep the bundle of all that the system trusts; the first that exists is the root's. */
const BUNDLES = [
  BUNDLE_FILE,
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const;

/** The bundles that every guest has, whatever its root is. */
const ALWAYS: ReadonlySet<string> = new Set([BUNDLE_FILE, '/etc/ssl/cert.pem', '/etc/pki/tls/certs/ca-bundle.crt']);

/** More than any system's; a few hundred KiB are usual. */
const BUNDLE_LIMIT = 64 * 1024 ** 2;

const HASH_DIRECTORY = '/etc/ssl/certs';
/** Folders of Java homes. */
const JAVA_FOLDERS = ['/usr/lib/jvm', '/opt/java'] as const;
const JAVA_STORES = ['lib/security/cacerts', 'jre/lib/security/cacerts'] as const;
const SHARED_JAVA_STORES = ['/etc/ssl/certs/java/cacerts', '/etc/pki/java/cacerts', '/etc/pki/ca-trust/extracted/java/cacerts'] as const;
const CHROMIUM_POLICIES = ['/etc/chromium/policies/managed', '/etc/opt/chrome/policies/managed'] as const;

/** The bundle of the root's system, or Node's own where the root has none. */
function bundleOf(root: RootTree): string {
  for (const path of BUNDLES) {
    const content = root.read(path, BUNDLE_LIMIT)?.toString();
    if (content !== undefined) return content;
  }
  return rootCertificates.join('\n');
}

export interface TrustOptions {
  /** The root whose stores are the base; the host's own by default. */
  readonly root?: RootTree;
  /** A Java home that an image names. */
  readonly javaHome?: string | undefined;
  readonly now?: number;
}

/**
 * `authority`: PEM of the job's CA certificate. Paths are the guest's; none of them ends in a link of the root that has
 * to be followed, but links may lead to their folders.
 */
export function trustFiles(authority: string, { root = HOST_TREE, javaHome, now = Date.now() }: TrustOptions = {}): TrustFile[] {
  const [der] = certificatesOf(authority);
  if (!der) throw new Error('the job CA is not a PEM certificate');
  const pem = authority.trimEnd() + '\n';
  const bundle = `${bundleOf(root).trimEnd()}\n${pem}`;
  const others = BUNDLES.filter((path) => path !== BUNDLE_FILE && (ALWAYS.has(path) || root.exists(path)));
  const policy = JSON.stringify({ CACertificates: [der.toString('base64')] });
  const javaStores = javaStoresOf(root, javaHome);
  const keystore = javaStores.length > 0 ? javaKeystore(certificatesOf(bundle), now) : null;
  return [
    { path: BUNDLE_FILE, content: { text: bundle } },
    ...others.map((path) => ({ path, content: { link: BUNDLE_FILE } })),
    { path: AUTHORITY_FILE, content: { text: pem } },
    { path: hashLink(der, root), content: { link: AUTHORITY_FILE } },
    ...CHROMIUM_POLICIES.map((folder) => ({ path: join(folder, 'mentu.json'), content: { text: policy } })),
    ...(keystore ? javaStores.map((path) => ({ path, content: { base64: keystore.toString('base64') } })) : []),
  ];
}

/** The first free name in OpenSSL's hash directory. */
function hashLink(der: Buffer, root: RootTree): string {
  const base = join(HASH_DIRECTORY, subjectHash(der));
  for (let number = 0; number < 100; number++) {
    if (!root.exists(`${base}.${number}`)) return `${base}.${number}`;
  }
  throw new Error(`no free name for ${base} in the hash directory`);
}

/** The real paths of the stores of every Java in the root; without one, this costs a few failed look-ups. */
function javaStoresOf(root: RootTree, home: string | undefined): string[] {
  const homes = [...JAVA_FOLDERS.flatMap((folder) => root.list(folder).map((name) => join(folder, name))), ...(home?.startsWith('/') ? [home] : [])];
  const stores = [...SHARED_JAVA_STORES, ...homes.flatMap((each) => JAVA_STORES.map((store) => join(each, store)))];
  const real = stores.map((path) => root.resolve(bytes(path))).filter((path) => root.stat(path)?.isFile() === true);
  return [...new Set(real)].map((path) => `/${named(path)}`);
}
