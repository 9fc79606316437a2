/** Remembers which protocol an upstream chose, so that the next client need not wait for its handshake. */

/** Milliseconds for which an answer is believed. */
const LIFETIME = 5 * 60_000;
const MAX_ENTRIES = 2000;

/** What we speak. */
const SPOKEN: ReadonlySet<string> = new Set(['h2', 'http/1.1', 'http/1.0']);

/** Of what a client offers, what can be offered to its upstream: Node takes names as UTF-8 and does not survive one that is empty, or longer than 255 bytes then (RFC 7301, section 3.1). */
export function offerable(offered: readonly string[]): readonly string[] {
  return offered.filter((protocol) => protocol !== '' && Buffer.byteLength(protocol) === protocol.length);
}

/** Of what a client offers, what we speak, in the client's order: the same is offered to the upstream. A client that offers other protocols alone (`postgresql`, `imap`) gets them relayed. */
export function spoken(offered: readonly string[]): readonly string[] {
  const known = offered.filter((protocol) => SPOKEN.has(protocol));
  return known.length > 0 ? known : offerable(offered);
}

/** True where the chosen protocol is HTTP; where none was chosen, the first bytes tell. */
export function isHttp(alpn: string | false | null): boolean {
  return alpn !== null && alpn !== false && SPOKEN.has(alpn);
}

/** What the client is told, when the upstream has chosen. */
export function mirrored(chosen: string | null, offered: readonly string[]): readonly string[] {
  return chosen !== null && offered.includes(chosen) ? [chosen] : [];
}

export class AlpnMemory {
  readonly #entries = new Map<string, { alpn: string | null; until: number; upgrades: boolean }>();

  /** The protocol chosen last, null for none; undefined where nothing is known. */
  recall(host: string, port: number, serverName: string | null, offered: readonly string[]): string | null | undefined {
    const entry = this.#entries.get(keyOf(host, port, serverName, offered));
    return entry && entry.until > performance.now() ? entry.alpn : undefined;
  }

  learn(host: string, port: number, serverName: string | null, offered: readonly string[], alpn: string | null): void {
    const key = keyOf(host, port, serverName, offered);
    this.#entries.delete(key);
    if (this.#entries.size >= MAX_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(key, { alpn, until: performance.now() + LIFETIME, upgrades: false });
  }

  /** Whether the upstream took extended CONNECT (RFC 8441) when it was asked last. */
  recallUpgrades(host: string, port: number, serverName: string | null, offered: readonly string[]): boolean {
    return this.#entries.get(keyOf(host, port, serverName, offered))?.upgrades ?? false;
  }

  learnUpgrades(host: string, port: number, serverName: string | null, offered: readonly string[], served: boolean): void {
    const entry = this.#entries.get(keyOf(host, port, serverName, offered));
    if (entry) entry.upgrades = served;
  }
}

function keyOf(host: string, port: number, serverName: string | null, offered: readonly string[]): string {
  return `${host}:${port}|${serverName}|${offered}`;
}
