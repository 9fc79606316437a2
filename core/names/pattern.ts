/**
 * Patterns of hosts, as lists and `passthrough` hold them:
 * `example.com` (that host alone), `*.example.com` (its subdomains at any depth, not itself), `*` (every host),
 * `192.0.2.1`, `[2001:db8::1]`, each with an optional `:port`.
 */
import { MentuError, type ErrorPlace } from '../errors.ts';
import { parsePort } from './authority.ts';
import { canonicalHost, hostInUrl, isAddress } from './host.ts';

export interface HostPattern {
  /** As the user wrote it. */
  readonly text: string;
  readonly scope: 'host' | 'subdomains' | 'every';
  /** Canonical: the host, or the parent of the subdomains; empty for `every`. */
  readonly host: string;
  /** Null: every port. */
  readonly port: number | null;
}

/** The pattern of one host at one port, as a user would write it for TLS. */
export function hostPatternText(host: string, port: number): string {
  return port === 443 ? host : `${hostInUrl(host)}:${port}`;
}

/** Throws `host_pattern_invalid`, naming the pattern and what is wrong with it. */
export function parseHostPattern(text: string, place?: ErrorPlace): HostPattern {
  const invalid = (reason: string): MentuError => new MentuError('host_pattern_invalid', { pattern: text, reason }, place ? { place } : {});
  if (text.trim() === '') throw invalid('it is empty');
  if (/[\s\u0000-\u001f]/.test(text)) throw invalid('it holds white space');
  if (text.includes('://')) throw invalid('it holds a scheme; name the host alone');
  if (/[/?#\\]/.test(text)) throw invalid('it holds a path; name the host alone');
  if (text.includes('@')) throw invalid('it holds user information; name the host alone');

  const { head, port: digits } = cutPort(text);
  const port = digits === null ? null : parsePort(digits);
  if (digits !== null && port === null) throw invalid(`the port ${JSON.stringify(digits)} is not 1 to 65535`);
  if (head === '*') return { text, scope: 'every', host: '', port };

  const isWild = head.startsWith('*.');
  const name = isWild ? head.slice(2) : head;
  if (name.includes('*')) throw invalid('a wildcard is a whole first label, as in *.example.com');
  const host = canonicalHost(name);
  if (host === null) throw invalid(name === '' ? 'it names no host' : `${JSON.stringify(name)} is no host`);
  if (isWild && isAddress(host)) throw invalid('an address has no subdomains');
  return { text, scope: isWild ? 'subdomains' : 'host', host, port };
}

/** An IPv6 address without brackets has no port. */
function cutPort(text: string): { head: string; port: string | null } {
  const colon = text.lastIndexOf(':');
  if (colon < 0 || text.endsWith(']') || (!text.startsWith('[') && text.indexOf(':') !== colon)) return { head: text, port: null };
  return { head: text.slice(0, colon), port: text.slice(colon + 1) };
}

/** The patterns of one host (or one parent): the first without a port, and the first of each port. */
interface Entry {
  everyPort: string | null;
  ports: Map<number, string> | null;
}

type Pick = (entry: Entry) => string | null;

/** Patterns compiled for look-up in as many steps as the host has labels. Hosts are given canonical; answers are the pattern's own text. */
export class HostPatternList {
  readonly size: number;
  readonly #hosts = new Map<string, Entry>();
  readonly #parents = new Map<string, Entry>();
  #every: Entry | null = null;

  constructor(patterns: Iterable<string | HostPattern>) {
    let size = 0;
    for (const pattern of patterns) {
      this.#add(typeof pattern === 'string' ? parseHostPattern(pattern) : pattern);
      size += 1;
    }
    this.size = size;
  }

  /** The pattern that holds for a host at a port: the most specific host, at it the one with the port first. */
  match(host: string, port: number): string | null {
    return this.#find(host, (entry) => entry.ports?.get(port) ?? entry.everyPort);
  }

  /** The pattern that holds for a host whatever the port. */
  matchEveryPort(host: string): string | null {
    return this.#find(host, (entry) => entry.everyPort);
  }

  /** The pattern that holds for a host at some port or other. */
  matchSomePort(host: string): string | null {
    return this.#find(host, (entry) => entry.everyPort ?? entry.ports?.values().next().value ?? null);
  }

  /** The pattern that names this very port for a host. */
  matchNamedPort(host: string, port: number): string | null {
    return this.#find(host, (entry) => entry.ports?.get(port) ?? null);
  }

  #find(host: string, pick: Pick): string | null {
    const exact = this.#hosts.get(host);
    let found = exact ? pick(exact) : null;
    if (found !== null) return found;
    if (this.#parents.size > 0) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const parent = this.#parents.get(host.slice(dot + 1));
        found = parent ? pick(parent) : null;
        // An IPv4 address has no parent: no pattern puts one in the map, and no name ends in a number.
        if (found !== null) return found;
      }
    }
    return this.#every ? pick(this.#every) : null;
  }

  #add(pattern: HostPattern): void {
    const entry = this.#entry(pattern);
    if (pattern.port === null) entry.everyPort ??= pattern.text;
    else {
      entry.ports ??= new Map();
      if (!entry.ports.has(pattern.port)) entry.ports.set(pattern.port, pattern.text);
    }
  }

  #entry({ scope, host }: HostPattern): Entry {
    if (scope === 'every') return (this.#every ??= { everyPort: null, ports: null });
    const map = scope === 'host' ? this.#hosts : this.#parents;
    let entry = map.get(host);
    if (!entry) map.set(host, (entry = { everyPort: null, ports: null }));
    return entry;
  }
}
