/** The job's lists, compiled: denied lists unite, allowed lists intersect. Rules are told in the words of the profile. */
import { HostPatternList, MentuError, parseHostPattern, type DomainList } from '../../core/index.ts';

/**
 * What a pattern's port means for a connection:
 * `port`: a pattern without one holds for every port (HTTP, HTTPS, WebSocket);
 * `named`: an allowed pattern must name the port (other protocols);
 * `none`: the port is not known yet (a name look-up), so a denial needs a pattern without one, and any will do to allow.
 */
export type PortRule = 'port' | 'named' | 'none';

export interface Allowance {
  readonly isAllowed: boolean;
  /** Such as `allowedDomains: *.example.com (profile)`, or `allowedDomains: no entry (profile)`. */
  readonly rule: string;
}

interface SourcedList {
  readonly source: string;
  readonly patterns: HostPatternList;
}

export class DomainLists {
  readonly #denied: readonly SourcedList[];
  readonly #allowed: readonly SourcedList[];

  /** Throws `host_pattern_invalid`, naming the pattern, the key and the list. */
  constructor(lists: readonly DomainList[]) {
    this.#denied = lists.filter(({ denied }) => denied.length > 0).map(({ source, denied }) => compile(source, 'deniedDomains', denied));
    this.#allowed = lists.flatMap(({ source, allowed }) => (allowed === null ? [] : [compile(source, 'allowedDomains', allowed)]));
  }

  get isEmpty(): boolean {
    return this.#denied.length === 0 && this.#allowed.length === 0;
  }

  /** True where not everything is allowed: then the names of a flow must agree. */
  get restrict(): boolean {
    return this.#allowed.length > 0;
  }

  /** Where the lists come from, each once. */
  get sources(): string[] {
    return [...new Set([...this.#denied, ...this.#allowed].map(({ source }) => source))];
  }

  /** The rule that denies a host, or null. */
  denial(host: string, port: number, ports: PortRule): string | null {
    for (const { source, patterns } of this.#denied) {
      const pattern = ports === 'none' ? patterns.matchEveryPort(host) : patterns.match(host, port);
      if (pattern !== null) return `deniedDomains: ${pattern} (${source})`;
    }
    return null;
  }

  /** Whether every list allows a host, and by which entries; or the first list that does not. */
  allowance(host: string, port: number, ports: PortRule): Allowance {
    const entries: string[] = [];
    for (const { source, patterns } of this.#allowed) {
      const pattern = matchAllowed(patterns, host, port, ports);
      if (pattern === null) return { isAllowed: false, rule: `allowedDomains: ${patterns.size === 0 ? '[]' : missing(patterns, host, port, ports)} (${source})` };
      entries.push(`${pattern} (${source})`);
    }
    if (entries.length > 0) return { isAllowed: true, rule: `allowedDomains: ${entries.join(', ')}` };
    return { isAllowed: true, rule: this.isEmpty ? 'no list' : 'deniedDomains: no entry' };
  }
}

function compile(source: string, key: string, patterns: readonly string[]): SourcedList {
  return { source, patterns: new HostPatternList(patterns.map((pattern) => parse(pattern, `${key} (${source})`))) };
}

function parse(pattern: string, list: string): ReturnType<typeof parseHostPattern> {
  try {
    return parseHostPattern(pattern);
  } catch (error) {
    if (!(error instanceof MentuError)) throw error;
    throw new MentuError(error.code, { ...error.params, reason: `${error.params['reason']}, in ${list}` }, { cause: error });
  }
}

function matchAllowed(patterns: HostPatternList, host: string, port: number, ports: PortRule): string | null {
  if (ports === 'none') return patterns.matchSomePort(host);
  return ports === 'named' ? patterns.matchNamedPort(host, port) : patterns.match(host, port);
}

function missing(patterns: HostPatternList, host: string, port: number, ports: PortRule): string {
  const lacksPort = ports === 'named' && patterns.match(host, port) !== null;
  return lacksPort ? `no entry with the port ${port}, which a protocol other than HTTP needs` : 'no entry';
}
