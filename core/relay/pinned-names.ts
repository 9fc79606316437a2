/** Remembers whose clients have refused our certificate: they hold on to another one, and nothing of theirs is to be decrypted. */
import type { CapturedConnection } from '../flows/captured-connection.ts';

const MAX_ENTRIES = 2000;

/** What it says leads nowhere by itself: which connections pass undecrypted is a decision of `onConnect`. */
export class PinnedNames {
  readonly #names = new Set<string>();

  has(connection: CapturedConnection): boolean {
    return this.#names.size > 0 && this.#names.has(nameOf(connection));
  }

  learn(connection: CapturedConnection): void {
    const name = nameOf(connection);
    this.#names.delete(name);
    if (this.#names.size >= MAX_ENTRIES) this.#names.delete(this.#names.values().next().value!);
    this.#names.add(name);
  }
}

function nameOf({ host, destination, clientHello }: CapturedConnection): string {
  return `${host}:${destination.port}|${clientHello?.sni ?? ''}`;
}
