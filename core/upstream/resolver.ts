/**
 * Names to addresses as any program of the host finds them (getaddrinfo, with its hosts file and search domains),
 * with a short memory and one look-up at a time for each name.
 */
import { lookup as systemLookup } from 'node:dns';
import { MentuError } from '../errors.ts';

export interface LookedUpAddress {
  readonly address: string;
  readonly family: number;
}

/** `dns.lookup` with `all: true`. */
export type Lookup = (
  name: string,
  options: { all: true; order: 'verbatim' },
  done: (error: NodeJS.ErrnoException | null, addresses: LookedUpAddress[]) => void,
) => void;

export interface ResolverOptions {
  /** How long an answer, also "no such name", is remembered. Default 5000. */
  readonly ttlMs?: number;
  /** How long it is remembered that nobody knew. Default 1000. */
  readonly failureTtlMs?: number;
  /** Names remembered at most. Default 1000. */
  readonly maxNames?: number;
  /** Look-ups under way at most; further ones fail at once. Default 512. */
  readonly maxPending?: number;
  /** A look-up that takes longer has failed for who waits for it. Default 20000. */
  readonly timeoutMs?: number;
  readonly lookup?: Lookup;
}

export interface Resolution {
  /** In the resolver's order (RFC 6724), at least one. */
  readonly addresses: readonly LookedUpAddress[];
  /** Milliseconds of the look-up; null where the answer was remembered. */
  readonly ms: number | null;
}

type Answer = readonly LookedUpAddress[] | NodeJS.ErrnoException;

interface Remembered {
  readonly answer: Answer;
  readonly until: number;
}

export class Resolver {
  readonly #options: Required<ResolverOptions>;
  readonly #remembered = new Map<string, Remembered>();
  readonly #pending = new Map<string, Promise<Answer>>();

  constructor(options: ResolverOptions = {}) {
    this.#options = { ttlMs: 5_000, failureTtlMs: 1_000, maxNames: 1_000, maxPending: 512, timeoutMs: 20_000, lookup: systemLookup as unknown as Lookup, ...options };
  }

  /**
   * Resolves a canonical name. Rejects with `name_not_found`; its cause is the resolver's error, with `ENODATA`
   * where it has no address, `ENOTFOUND` where there is no such name (or, of getaddrinfo, none with an address) and `EAI_AGAIN`, `ETIMEDOUT` or `EBUSY` where nobody knows.
   */
  async resolve(name: string): Promise<Resolution> {
    const remembered = this.#remembered.get(name);
    if (remembered && remembered.until > performance.now()) return { addresses: unwrap(name, remembered.answer), ms: null };
    const start = performance.now();
    const answer = await this.#within(name, this.#look(name));
    return { addresses: unwrap(name, answer), ms: performance.now() - start };
  }

  #look(name: string): Promise<Answer> {
    const pending = this.#pending.get(name);
    if (pending) return pending;
    if (this.#pending.size >= this.#options.maxPending) return Promise.resolve(systemError('EBUSY', 'too many look-ups under way'));
    const look = new Promise<Answer>((resolve) => {
      this.#options.lookup(name, { all: true, order: 'verbatim' }, (error, addresses) => {
        const answer = error ?? (addresses.length > 0 ? addresses : systemError('ENODATA', 'it has no address'));
        this.#remember(name, answer);
        resolve(answer);
      });
    });
    this.#pending.set(name, look);
    void look.then(() => this.#pending.delete(name));
    return look;
  }

  #remember(name: string, answer: Answer): void {
    const { ttlMs, failureTtlMs } = this.#options;
    const isKnown = !(answer instanceof Error) || answer.code === 'ENOTFOUND' || answer.code === 'ENODATA';
    // Maps keep the order of insertion, so the first is the oldest.
    this.#remembered.delete(name);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size < this.#options.maxNames) break;
      this.#remembered.delete(oldest);
    }
    this.#remembered.set(name, { answer, until: performance.now() + (isKnown ? ttlMs : failureTtlMs) });
  }

  /** getaddrinfo cannot be stopped; what can be bounded is the wait for it. */
  async #within(name: string, look: Promise<Answer>): Promise<Answer> {
    const { timeoutMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Answer>((resolve) => {
      timer = setTimeout(() => {
        const answer = systemError('ETIMEDOUT', `no answer within ${timeoutMs / 1_000} s`);
        this.#remember(name, answer);
        resolve(answer);
      }, timeoutMs).unref();
    });
    try {
      return await Promise.race([look, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function unwrap(name: string, answer: Answer): readonly LookedUpAddress[] {
  if (!(answer instanceof Error)) return answer;
  throw new MentuError('name_not_found', { host: name, reason: reasonOf(answer) }, { cause: answer });
}

function reasonOf(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOTFOUND':
      return 'there is no such name, or it has no address';
    case 'ENODATA':
      return 'it has no address';
    case 'EAI_AGAIN':
      return 'the resolver of the host did not answer (EAI_AGAIN)';
    default:
      return error.message;
  }
}

export function systemError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
