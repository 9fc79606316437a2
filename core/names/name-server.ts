/** The address of a DNS server, as settings and `resolv.conf` have it. */
import { parsePort } from './authority.ts';
import { canonicalHost, isAddress } from './host.ts';

export interface NameServer {
  readonly address: string;
  readonly port: number;
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`; null for what is none. A zone is kept. */
export function parseNameServer(text: string): NameServer | null {
  const [, bracketed, v4, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  const address = bracketed ?? v4 ?? text;
  const [bare, zone] = address.split('%');
  const port = digits === undefined ? 53 : parsePort(digits);
  const canonical = canonicalHost(bare!);
  if (canonical === null || !isAddress(canonical) || port === null) return null;
  return { address: zone === undefined ? canonical : `${canonical}%${zone}`, port };
}
