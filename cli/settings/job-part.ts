/** What a profile or `mentu.yaml` says about a job, with its paths resolved and every value checked where it stands. */
import { statSync } from 'node:fs';
import { dirname, posix, resolve } from 'node:path';
import { HostPins, MentuError, parseHostPattern, parseNameServer, type ErrorPlace } from '../../core/index.ts';
import type { Mount } from '../../plugins/engines/engine.ts';
import { BYTE_SIZE_FORM, parseByteSize } from './byte-size.ts';
import { readCa, type TrustedCa } from './ca-file.ts';
import type { ConfigFile } from './config-schema.ts';
import { readGuestPart, type GuestPart } from './guest-part.ts';
import { LINE_LIMIT_MAX } from './job-schema.ts';
import type { Profile } from './profile-schema.ts';
import type { Path, SourceDocument } from './source-document.ts';
import { reasonOf, type SourceFiles } from './source-file.ts';
import { readTlsPart, type TlsPart } from './tls-part.ts';
import { dotted } from './validation.ts';

export interface JobPart extends GuestPart, TlsPart {
  readonly command?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly engine?: string | undefined;
  readonly networkMode?: 'none' | 'nat' | undefined;
  /** Absent: all are allowed. */
  readonly allowedDomains?: readonly string[] | undefined;
  readonly deniedDomains?: readonly string[] | undefined;
  readonly hosts: Readonly<Record<string, string>>;
  readonly trustedCAs: readonly TrustedCa[];
  /** Absent: those of the host. */
  readonly dnsServers?: readonly string[] | undefined;
  readonly upstreamProxy?: string | undefined;
  readonly keyLog?: boolean | undefined;
  readonly pcap?: boolean | undefined;
  readonly bodyLimit?: number | undefined;
  readonly streamLimit?: number | undefined;
  readonly bodyQuota?: number | undefined;
}

/** `value` has the shape of its schema; what a schema cannot say is checked here. */
export function readJobPart(value: Profile | ConfigFile, document: SourceDocument, files: SourceFiles): JobPart {
  const folder = dirname(document.path);
  const { sandbox = {}, interceptor = {} } = value;
  checkPatterns(document, ['sandbox', 'allowedDomains'], sandbox.allowedDomains);
  checkPatterns(document, ['sandbox', 'deniedDomains'], sandbox.deniedDomains);
  interceptor.dnsServers?.forEach((server, index) => {
    if (parseNameServer(server) === null) throw new MentuError('name_server_invalid', { server: JSON.stringify(server) }, { place: document.placeOf(['interceptor', 'dnsServers', index]) });
  });
  const hosts = { ...interceptor.hosts };
  for (const [name, target] of Object.entries(hosts)) {
    placed(document.placeOfKey(['interceptor', 'hosts', name]), () => new HostPins({ [name]: target }));
  }
  placed(document.placeOfKey(['interceptor', 'hosts']), () => new HostPins(hosts));
  return {
    command: value.command,
    args: value.args,
    env: readEnvironment(value.env ?? {}, document, ['env']),
    mounts: readMounts(value.mounts ?? [], document, folder),
    engine: value.engine,
    networkMode: value.networkMode,
    ...readGuestPart(value, document),
    allowedDomains: sandbox.allowedDomains,
    deniedDomains: sandbox.deniedDomains,
    hosts,
    trustedCAs: (interceptor.trustedCAs ?? []).map((file, index) => readCa(files, resolve(folder, file), document.placeOf(['interceptor', 'trustedCAs', index]))),
    ...readTlsPart(interceptor, document, files),
    dnsServers: interceptor.dnsServers,
    upstreamProxy: interceptor.upstreamProxy === undefined ? undefined : readProxy(interceptor.upstreamProxy, document.placeOf(['interceptor', 'upstreamProxy'])),
    keyLog: interceptor.keyLog,
    pcap: interceptor.pcap,
    bodyLimit: readByteSize(interceptor.bodyLimit, document, ['interceptor', 'bodyLimit'], LINE_LIMIT_MAX),
    streamLimit: readByteSize(interceptor.streamLimit, document, ['interceptor', 'streamLimit'], LINE_LIMIT_MAX),
    bodyQuota: readByteSize(interceptor.bodyQuota, document, ['interceptor', 'bodyQuota']),
  };
}

/** Throws `host_pattern_invalid` at the place of the first pattern that is none. */
export function checkPatterns(document: SourceDocument, path: Path, patterns: readonly string[] | undefined): void {
  patterns?.forEach((pattern, index) => parseHostPattern(pattern, document.placeOf([...path, index])));
}

/** @param most bytes; what is over it is refused. */
export function readByteSize(value: number | string | undefined, document: SourceDocument, path: Path, most = Infinity): number | undefined {
  if (value === undefined) return undefined;
  const bytes = parseByteSize(value);
  if (bytes !== undefined && bytes <= most) return bytes;
  const expected = bytes === undefined ? BYTE_SIZE_FORM : `${most / 1024 ** 2}MiB at most`;
  throw new MentuError('settings_wrong_value', { where: dotted(path), expected, actual: JSON.stringify(value), hint: 'Units: B, kB, MB, GB, TB and KiB, MiB, GiB, TiB.' }, { place: document.placeOf(path) });
}

export function readEnvironment(env: Readonly<Record<string, string>>, document: SourceDocument, path: Path): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(env)) {
    const place = document.placeOfKey([...path, name]);
    if (!/^[^=\0]+$/.test(name)) throw new MentuError('settings_wrong_value', { where: 'The name of a variable', expected: 'text without "="', actual: JSON.stringify(name), hint: 'Mend the name.' }, { place });
    if (value.includes('\0')) throw new MentuError('settings_wrong_value', { where: dotted([...path, name]), expected: 'text without NUL', actual: JSON.stringify(value), hint: 'Mend the value.' }, { place });
  }
  return env;
}

type MountEntry = NonNullable<Profile['mounts']>[number];

function readMounts(entries: readonly MountEntry[], document: SourceDocument, folder: string): Mount[] {
  const seen = new Set<string>();
  return entries.map((entry, index) => {
    const source = resolve(folder, entry.source);
    const sourcePlace = document.placeOf(['mounts', index, 'source']);
    const refuse = (reason: string, cause?: unknown) => new MentuError('mount_source_missing', { source: entry.source, reason }, { cause, place: sourcePlace });
    let stat;
    try {
      stat = statSync(source);
    } catch (error) {
      throw refuse(reasonOf(error).replace('no such file', 'no such file or folder'), error);
    }
    if (!stat.isFile() && !stat.isDirectory()) throw refuse('it is neither a folder nor a regular file');

    const destinationPlace = document.placeOf(['mounts', index, 'destination']);
    const wrong = (reason: string) => new MentuError('mount_destination_invalid', { destination: entry.destination, reason }, { place: destinationPlace });
    if (!entry.destination.startsWith('/')) throw wrong('is not absolute');
    if (entry.destination.split('/').includes('..') || entry.destination.includes('\0')) throw wrong('holds "..", or a NUL');
    const destination = posix.normalize(entry.destination).replace(/(?<=.)\/$/, '');
    if (destination === '/') throw wrong('is the root of the guest itself');
    if (seen.has(destination)) throw wrong('is used by two mounts');
    seen.add(destination);
    return { source, destination, readOnly: entry.readOnly ?? false };
  });
}

const PROXY_PROTOCOLS = ['http:', 'https:', 'socks5:', 'socks5h:', 'socks:'];

function readProxy(text: string, place: ErrorPlace): string {
  const url = URL.parse(text);
  const refuse = (reason: string) => new MentuError('upstream_proxy_invalid', { proxy: url ? withoutPassword(text) : text, reason }, { place });
  if (!url) throw refuse('it is no URL');
  if (!PROXY_PROTOCOLS.includes(url.protocol)) throw refuse(`its scheme is ${url.protocol.slice(0, -1)}`);
  if (url.hostname === '') throw refuse('it names no host');
  return text;
}

/** A proxy's URL as it may be shown. */
export function withoutPassword(proxy: string): string {
  const url = URL.parse(proxy);
  if (!url || url.password === '') return proxy;
  url.password = '***';
  return url.href;
}

/** Runs a check of core's and gives its error a place in the file. */
function placed<Result>(place: ErrorPlace, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (error instanceof MentuError && error.place === undefined) throw new MentuError(error.code, error.params, { cause: error, place });
    throw error;
  }
}
