/** What a link has opened ahead of any request: for the first who wants it, whatever that speaks. */
import type { Dialled } from './dialler.ts';
import type { LinkFacts, Opened } from './opening.ts';

export class ReadyConnection {
  readonly #open: () => Promise<Opened>;
  #ready: Opened | null = null;
  #lending: Promise<Opened> | null = null;

  constructor(open: () => Promise<Opened>) {
    this.#open = open;
  }

  async open(): Promise<LinkFacts> {
    this.#ready = await this.#open();
    return this.#ready.facts;
  }

  /** It stays here, to be found by who wants it then; opened where it does not stand. */
  async lend(): Promise<Dialled> {
    if (this.#ready && !this.#ready.dialled.socket.destroyed) return handedOut(this.#ready);
    this.#lending = this.#open();
    try {
      this.#ready = await this.#lending;
      return handedOut(this.#ready);
    } finally {
      this.#lending = null;
    }
  }

  /** It, or another. */
  async take(): Promise<Dialled> {
    const lending = this.#lending;
    if (lending) await lending;
    return handedOut(this.found() ?? (await this.#open()));
  }

  /** It, and no more from here on; null where there is none. */
  found(): Opened | null {
    const ready = this.#ready;
    this.#ready = null;
    return ready?.dialled.socket.destroyed ? null : ready;
  }
}

function handedOut({ dialled, facts, unproven }: Opened): Dialled {
  dialled.socket.allowHalfOpen = true;
  return { ...dialled, tls: facts.tls, timing: facts.timing, ...(unproven ? { refusal: () => unproven.verdict() } : {}) };
}
