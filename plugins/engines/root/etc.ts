/**
 * What a guest sees of /etc: an allow list of the host's, without secrets and without what identifies the host, and
 * a few files of our own. Names that the host lacks are passed over.
 */
import type { Identity } from './plan.ts';
import { GUEST, PLANE } from '../plane/addresses.ts';

/** Folders shown whole. */
export const ETC_FOLDERS = [
  'X11', 'alternatives', 'bash_completion.d', 'ca-certificates', 'chromium', 'chromium.d', 'crypto-policies', 'fonts',
  'glvnd', 'groff', 'gss', 'gtk-2.0', 'gtk-3.0', 'java', 'ld.so.conf.d', 'libnl-3', 'maven', 'perl', 'pki/ca-trust',
  'pki/java', 'pki/tls/certs', 'profile.d', 'php', 'R', 'ruby', 'skel', 'ssl/certs', 'terminfo', 'vulkan', 'xdg',
] as const;

/** Folders shown whole whose names carry a version: `java-17-openjdk`, `python3.13`, `ImageMagick-7`. */
const VERSIONED_FOLDER = /^(?:java-[\w.-]+|python[\d.]+|ImageMagick-\d+|emacs|vim|lua[\d.]*|php[\d.]*)$/;

/** Files and links, copied. */
export const ETC_FILES = [
  'bash.bashrc', 'debian_version', 'ethertypes', 'fedora-release', 'gai.conf', 'host.conf', 'inputrc',
  'ld.so.cache', 'ld.so.conf', 'locale.alias', 'locale.conf', 'localtime', 'lsb-release', 'magic', 'magic.mime',
  'mailcap', 'mime.types', 'nanorc', 'netconfig', 'networks', 'os-release', 'pki/tls/cert.pem', 'pki/tls/openssl.cnf',
  'profile', 'protocols', 'redhat-release', 'rpc', 'screenrc', 'services', 'shells', 'ssl/openssl.cnf',
  'system-release', 'timezone', 'xattr.conf', 'zshrc',
] as const;

/** The names among the entries of /etc that are shown as folders. */
export function shownFolders(entries: readonly string[]): string[] {
  return [...ETC_FOLDERS, ...entries.filter((name) => VERSIONED_FOLDER.test(name) && !ETC_FOLDERS.includes(name as never))];
}

export const HOSTNAME = 'guest';

/** Files that are ours whatever the host has. */
export function ownFiles(identity: Identity, network: boolean): Record<string, string> {
  const { uid, gid, name, home } = identity;
  const user = uid === 0 ? [] : [`${name}:x:${uid}:${gid}:${name}:${home}:/bin/sh`];
  const group = gid === 0 ? [] : [`${name}:x:${gid}:`];
  return {
    hostname: `${HOSTNAME}\n`,
    hosts: [
      '127.0.0.1 localhost',
      '::1 localhost ip6-localhost ip6-loopback',
      ...(network ? [`${GUEST.v4} ${HOSTNAME}`] : [`127.0.1.1 ${HOSTNAME}`]),
      '',
    ].join('\n'),
    'resolv.conf': network ? `nameserver ${PLANE.v4}\n` : '# this guest has no network\n',
    'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\nethers: files\nrpc: files\n',
    passwd: ['root:x:0:0:root:/root:/bin/sh', ...user, 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin', ''].join('\n'),
    group: ['root:x:0:', 'tty:x:5:', ...group, 'nogroup:x:65534:', ''].join('\n'),
  };
}
