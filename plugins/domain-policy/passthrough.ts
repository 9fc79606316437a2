/** Which connections are relayed without being decrypted, by the job's patterns. */
import { HostPatternList, type Connection, type JobView } from '../../core/index.ts';
import { hostOf, type Finding } from './judge.ts';

export class Passthrough {
  readonly #patterns: HostPatternList;
  readonly #withEch: ReadonlySet<string>;
  readonly #onlyPinned: boolean;

  constructor({ passthrough, passthroughEch, onPinned }: JobView) {
    this.#patterns = new HostPatternList(passthrough);
    this.#withEch = new Set(passthroughEch);
    this.#onlyPinned = onPinned === 'passthrough';
  }

  /** The pattern that holds for a connection; null where none does, or it is no TLS. */
  pattern(connection: Connection): string | null {
    return connection.protocol === 'tls' ? matching(this.#patterns, connection) : null;
  }

  /** False where the connection is to be decrypted until a client has refused that. */
  isDue({ pinned }: Connection): boolean {
    return !this.#onlyPinned || pinned === true;
  }

  /** What keeps a connection from being passed through where lists hold: a name in its hello that nobody but the server can read (RFC 9849). */
  hiddenName(connection: Connection, pattern: string): Finding | null {
    if (!connection.clientHello?.ech || this.#withEch.has(pattern)) return null;
    return { isAllowed: false, rule: `passthrough: ${pattern}, with ECH`, host: hostOf(connection), code: 'ech_unjudgeable' };
  }
}

function matching(patterns: HostPatternList, connection: Connection): string | null {
  if (patterns.size === 0) return null;
  const { port } = connection.destination;
  const host = hostOf(connection);
  const pattern = patterns.match(host, port);
  const sni = connection.clientHello?.sni ?? null;
  if (pattern === null || sni === null || sni === host) return pattern;
  // Another server name must be one that is passed through as well.
  return patterns.match(sni, port) === null ? null : pattern;
}
