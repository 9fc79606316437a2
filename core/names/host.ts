/**
 * Canonical hosts: every spelling of a name or an address becomes one text, so that lists, records and
 * the dialler compare what a client means and not how it writes it.
 */
import { isIPv6 } from 'node:net';

/** Names that are already canonical: lower-case letters, digits, `-` and `_`, a last label that cannot start an IPv4 number. */
const PLAIN_NAME = /^(?:[a-z0-9_-]{1,63}\.)*[a-z_-][a-z0-9_-]{0,62}$/;
const PLAIN_IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;
/** What would end the host or belong to another part of a URL, and what the URL parser silently drops. */
const NOT_OF_A_HOST = /[\u0000-\u0020\u007f/?#@\\:[\]<>^|]/;
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;
/** Percent-encoded UTF-8 takes up to nine characters for one of a label; anything longer is no host. */
const LONGEST_SPELLING = LONGEST_NAME * 9;

/**
 * The canonical text of a host, or null for what is no host. Names: as the WHATWG URL parser and UTS-46 have
 * them (lower case, percent-decoded, Punycode), without the root's dot. IPv4: dotted decimal, from every form
 * that inet_aton takes. IPv6, bare or in brackets: RFC 5952 as the URL parser writes it, without brackets;
 * an address with a zone is null, for it means nothing outside one machine.
 */
export function canonicalHost(text: string): string | null {
  if (PLAIN_NAME.test(text) && text.length <= LONGEST_NAME && !text.includes('xn--')) return text;
  if (PLAIN_IPV4.test(text)) return text;
  if (text.length === 0 || text.length > LONGEST_SPELLING) return null;
  if (text.includes(':')) return canonicalIPv6(text);
  if (NOT_OF_A_HOST.test(text)) return null;
  const url = URL.parse(`http://${text}/`);
  if (url === null) return null;
  const host = url.hostname.endsWith('.') ? url.hostname.slice(0, -1) : url.hostname;
  return isOfDnsLength(host) ? host : null;
}

/** True for a canonical host that is an address and no name. */
export function isAddress(canonical: string): boolean {
  return canonical.includes(':') || PLAIN_IPV4.test(canonical);
}

/** A canonical host as it stands in a URL or a Host field: IPv6 in brackets. */
export function hostInUrl(canonical: string): string {
  return canonical.includes(':') ? `[${canonical}]` : canonical;
}

/**
 * The address of a socket in canonical form. A dual-stack socket shows an IPv4 peer as `::ffff:a.b.c.d`
 * (RFC 4291, section 2.5.5.2), and IPv4 is what goes over the wire.
 */
export function socketAddress(address: string): string {
  const plain = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
  return canonicalHost(plain) ?? plain;
}

function canonicalIPv6(text: string): string | null {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (bare.includes('%') || !isIPv6(bare)) return null;
  return URL.parse(`http://[${bare}]/`)?.hostname.slice(1, -1) ?? null;
}

/** RFC 1035, section 2.3.4; the URL parser does not check it. */
function isOfDnsLength(host: string): boolean {
  if (host.length === 0 || host.length > LONGEST_NAME) return false;
  return host.split('.').every((label) => label.length > 0 && label.length <= LONGEST_LABEL);
}
