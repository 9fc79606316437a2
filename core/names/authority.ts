/** The authority of a request: `host[:port]` as in Host, `:authority` and CONNECT (RFC 9110, section 7.2). */
import { canonicalHost } from './host.ts';

export interface Authority {
  /** Canonical; IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535; null where the text names none. */
  readonly port: number | null;
}

const HIGHEST_PORT = 65_535;

/** Splits `host[:port]`; null for anything else: user information, an IPv6 address without brackets, a port out of range. */
export function splitAuthority(text: string): Authority | null {
  const colon = text.indexOf(':', text.startsWith('[') ? text.indexOf(']') + 1 : 0);
  if (colon < 0) return whole(text, null);
  const digits = text.slice(colon + 1);
  // RFC 3986, section 3.2.3 lets the port be empty.
  if (digits === '') return whole(text.slice(0, colon), null);
  const port = parsePort(digits);
  return port === null ? null : whole(text.slice(0, colon), port);
}

/** A port in decimal, 1 to 65535; null for anything else. */
export function parsePort(digits: string): number | null {
  if (!/^\d{1,5}$/.test(digits)) return null;
  const port = Number(digits);
  return port >= 1 && port <= HIGHEST_PORT ? port : null;
}

function whole(text: string, port: number | null): Authority | null {
  if (text.startsWith('[') ? !text.endsWith(']') : text.includes(':')) return null;
  const host = canonicalHost(text);
  return host === null ? null : { host, port };
}
