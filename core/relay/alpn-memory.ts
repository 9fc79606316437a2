/** Remembers which protocol an upstream chose, so that the next client need not wait for its handshake. */

/** Milliseconds for which an answer is believed. */
const LIFETIME = 5 * 60_000;
const MAX_ENTRIES = 2000;

export class AlpnMemory {
  readonly #entries = new Map<string, { alpn: string | null; until: number }>();

  /** The protocol chosen last, null for none; undefined where nothing is known. */
  recall(host: string, port: number, serverName: string | null, offered: readonly string[]): string | null | undefined {
    const entry = this.#entries.get(keyOf(host, port, serverName, offered));
    return entry && entry.until > performance.now() ? entry.alpn : undefined;
  }

  learn(host: string, port: number, serverName: string | null, offered: readonly string[], alpn: string | null): void {
    const key = keyOf(host, port, serverName, offered);
    this.#entries.delete(key);
    if (this.#entries.size >= MAX_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(key, { alpn, until: performance.now() + LIFETIME });
  }
}

function keyOf(host: string, port: number, serverName: string | null, offered: readonly string[]): string {
  return `${host}:${port}|${serverName}|${offered}`;
}
