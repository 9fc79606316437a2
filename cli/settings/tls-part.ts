/** What a profile or `mentu.yaml` says of certificates and of what is not decrypted, with its files read and tried. */
import { openClientIdentity, type ClientIdentity } from '../../core/capture.ts';
import { MentuError, parseHostPattern, type ErrorPlace } from '../../core/index.ts';
import { dirname, resolve } from 'node:path';
import { readCa, type TrustedCa } from './ca-file.ts';
import type { ConfigFile } from './config-schema.ts';
import type { Profile } from './profile-schema.ts';
import type { SourceDocument } from './source-document.ts';
import type { SourceFiles } from './source-file.ts';

export interface ClientCertificateSetting {
  readonly host: string;
  /** Absolute paths of the files that it was read from, which no guest may see. */
  readonly files: readonly string[];
  readonly identity: ClientIdentity;
}

export interface ClientAuthSetting {
  readonly host: string;
  readonly ca: TrustedCa | null;
  readonly require: boolean;
}

export interface PassthroughSetting {
  readonly host: string;
  readonly allowEch: boolean;
}

export interface TlsPart {
  readonly clientCertificates: readonly ClientCertificateSetting[];
  readonly clientAuth: readonly ClientAuthSetting[];
  readonly passthrough: readonly PassthroughSetting[];
  readonly onPinned?: 'fail' | 'passthrough' | undefined;
}

type Interceptor = NonNullable<(Profile | ConfigFile)['interceptor']>;

export function readTlsPart(interceptor: Interceptor, document: SourceDocument, files: SourceFiles): TlsPart {
  const folder = dirname(document.path);
  const { clientCertificates = [], clientAuth = [], passthrough = [], onPinned } = interceptor;
  const once = (key: 'clientCertificates' | 'clientAuth' | 'passthrough') => new NamedOnce(`interceptor.${key}`);
  const named = { clientCertificates: once('clientCertificates'), clientAuth: once('clientAuth'), passthrough: once('passthrough') };
  return {
    clientCertificates: clientCertificates.map((entry, index) => {
      const place = (key: string): ErrorPlace => document.placeOf(['interceptor', 'clientCertificates', index, key]);
      named.clientCertificates.check(entry.host, place('host'));
      return readCertificate(entry, { files, folder, place, whole: document.placeOf(['interceptor', 'clientCertificates', index]) });
    }),
    clientAuth: clientAuth.map(({ host, ca, require = false }, index) => {
      named.clientAuth.check(host, document.placeOf(['interceptor', 'clientAuth', index, 'host']));
      return { host, require, ca: ca === undefined ? null : readCa(files, resolve(folder, ca), document.placeOf(['interceptor', 'clientAuth', index, 'ca'])) };
    }),
    passthrough: passthrough.map((entry, index) => {
      const { host, allowEch = false } = typeof entry === 'string' ? { host: entry } : entry;
      named.passthrough.check(host, document.placeOf(['interceptor', 'passthrough', index]));
      return { host, allowEch };
    }),
    onPinned,
  };
}

/** One pattern with a port or without, however it is spelled. */
export function patternKey(text: string): string {
  const { scope, host, port } = parseHostPattern(text);
  return `${scope} ${host} ${port ?? ''}`;
}

/** A list in which a host is named once: of two entries one would be without effect. */
class NamedOnce {
  readonly #list: string;
  readonly #seen = new Map<string, string>();

  constructor(list: string) {
    this.#list = list;
  }

  /** Throws `host_pattern_invalid` or `settings_duplicate_host`. */
  check(host: string, place: ErrorPlace): void {
    parseHostPattern(host, place);
    const key = patternKey(host);
    const first = this.#seen.get(key);
    if (first !== undefined) throw new MentuError('settings_duplicate_host', { list: this.#list, host, first }, { place });
    this.#seen.set(key, host);
  }
}

/** The files that the keys name, absolute: what a trust in them covers. */
export function tlsFiles({ clientCertificates = [], clientAuth = [] }: Interceptor, folder: string): string[] {
  const named = [...clientCertificates.flatMap(({ cert, key, pkcs12 }) => [cert, key, pkcs12]), ...clientAuth.map(({ ca }) => ca)];
  return named.filter((file) => file !== undefined).map((file) => resolve(folder, file));
}

/** As plugins see it: whose certificates, and no key. */
export function shownTls({ clientCertificates, clientAuth, passthrough, onPinned }: TlsPart) {
  return {
    clientCertificates: clientCertificates.map(({ host, identity: { subject, sha256 } }) => ({ host, subject, sha256 })),
    clientAuth: clientAuth.map(({ host, ca, require }) => ({ host, ca: ca && ca.file, require })),
    passthrough: passthrough.map(({ host }) => host),
    onPinned: onPinned ?? 'fail',
  };
}

interface Reading {
  readonly files: SourceFiles;
  readonly folder: string;
  readonly place: (key: string) => ErrorPlace;
  readonly whole: ErrorPlace;
}

function readCertificate(entry: NonNullable<Interceptor['clientCertificates']>[number], { files, folder, place, whole }: Reading): ClientCertificateSetting {
  const { host, cert, key, pkcs12, passphraseEnv } = entry;
  const refuse = (reason: string, at: ErrorPlace): MentuError => new MentuError('client_certificate_unusable', { host, reason }, { place: at });
  const passphrase = passphraseEnv === undefined ? undefined : process.env[passphraseEnv];
  if (passphraseEnv !== undefined && passphrase === undefined) throw refuse(`the environment variable ${passphraseEnv} is not set`, place('passphraseEnv'));
  const read = (file: string, name: string) => files.read(resolve(folder, file), { what: 'client certificate file', place: place(name), anyBytes: true });
  if (pkcs12 !== undefined) {
    if (cert !== undefined || key !== undefined) throw refuse('it has pkcs12 beside cert or key', place('pkcs12'));
    const { path, bytes } = read(pkcs12, 'pkcs12');
    return { host, files: [path], identity: opened({ pkcs12: bytes, passphrase }, host, place('pkcs12')) };
  }
  if (cert === undefined || key === undefined) throw refuse(cert === undefined ? 'it has neither cert and key nor pkcs12' : 'it has cert without key', whole);
  const [certificate, privateKey] = [read(cert, 'cert'), read(key, 'key')];
  const identity = opened({ cert: certificate.text, key: privateKey.text, passphrase }, host, place('key'));
  return { host, files: [...new Set([certificate.path, privateKey.path])], identity };
}

function opened(source: Parameters<typeof openClientIdentity>[0], host: string, place: ErrorPlace): ClientIdentity {
  try {
    return openClientIdentity(source, host);
  } catch (error) {
    if (!(error instanceof MentuError)) throw error;
    throw new MentuError(error.code, error.params, { cause: error, place });
  }
}
