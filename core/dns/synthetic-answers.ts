/** Answers of our own: addresses of the pool, in which each name has a pair, and the names behind them. */
import { MentuError } from '../errors.ts';
import { addressBytes, addressText } from '../names/address.ts';
import type { Dialler, ResolvedHost } from '../upstream/dialler.ts';
import { emptyResponse, type Question, type Response } from './message.ts';
import { nameBytes } from './name.ts';
import { CLASS_IN, CODE, TYPE } from './numbers.ts';
import type { SyntheticPool } from './pool.ts';

/** Seconds for which a client may keep an answer. */
const TTL_SECONDS = 60;

export interface SyntheticAnswer {
  readonly response: Response;
  /** Why there is none. */
  readonly error: MentuError | null;
  /** Milliseconds of the look-up on the host; null where there was none. */
  readonly ms: number | null;
}

export class SyntheticAnswers {
  readonly #pool: SyntheticPool;
  readonly #dialler: Pick<Dialler, 'resolve'>;

  constructor(pool: SyntheticPool, dialler: Pick<Dialler, 'resolve'>) {
    this.#pool = pool;
    this.#dialler = dialler;
  }

  /**
   * Both families for every name that exists, whatever families it has: we accept the connection, and the dialler
   * finds its own way. Null where the host finds no address and does not tell whether the name exists. @param isLookedUp false for a name whose connection is answered here and goes nowhere.
   */
  async addresses(question: Question, isLookedUp: boolean): Promise<SyntheticAnswer | null> {
    const { name } = question;
    let ms: number | null = null;
    if (isLookedUp) {
      const found = await this.#resolve(name);
      if (found instanceof MentuError) {
        const reason = (found.cause as NodeJS.ErrnoException | undefined)?.code;
        if (reason === 'ENOTFOUND') return null;
        return reason === 'ENODATA' ? answered(emptyResponse(CODE.NOERROR)) : { response: emptyResponse(CODE.SERVFAIL), error: found, ms: null };
      }
      ms = found?.ms ?? null;
    }
    const pair = this.#pool.issue(name);
    if (!pair) return { response: emptyResponse(CODE.SERVFAIL), error: new MentuError('names_exhausted', { count: this.#pool.size }), ms };
    return answered(addressResponse(question, pair.ipv4, pair.ipv6), ms);
  }

  /** RFC 6761, section 6.3: the guest's own loopback, which nobody needs to be asked for. */
  localhost(question: Question): Response {
    return addressResponse(question, '127.0.0.1', '::1');
  }

  /** The name behind an address of the pool. */
  pointer({ owner, type }: Question, address: string): Response {
    const issued = this.#pool.nameOf(address);
    if (issued === undefined) return emptyResponse(CODE.NXDOMAIN);
    if (type !== TYPE.PTR) return emptyResponse(CODE.NOERROR);
    return { ...emptyResponse(CODE.NOERROR), synthetic: true, answers: [{ owner, type, class: CLASS_IN, ttl: TTL_SECONDS, data: nameBytes(issued) }] };
  }

  /** Null: the name exists, and none of its addresses may be dialled, which is for the connection to say. */
  async #resolve(name: string): Promise<ResolvedHost | null | MentuError> {
    try {
      return await this.#dialler.resolve(name);
    } catch (error) {
      if (!(error instanceof MentuError)) throw error;
      return error.code === 'address_denied' ? null : error;
    }
  }
}

function answered(response: Response, ms: number | null = null): SyntheticAnswer {
  return { response, error: null, ms };
}

/** The address of the question's type; of another type there is none. */
function addressResponse({ owner, type }: Question, ipv4: string, ipv6: string): Response {
  const address = type === TYPE.A ? ipv4 : type === TYPE.AAAA ? ipv6 : null;
  if (address === null) return emptyResponse(CODE.NOERROR);
  return { ...emptyResponse(CODE.NOERROR), synthetic: true, answers: [{ owner, type, class: CLASS_IN, ttl: TTL_SECONDS, data: Buffer.from(addressBytes(address)!) }] };
}

/** The address that a name under `in-addr.arpa` or `ip6.arpa` asks for (RFC 1035, section 3.5; RFC 3596, section 2.5). */
export function reverseAddress(name: string): string | null {
  const ipv4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (ipv4) return `${ipv4[4]}.${ipv4[3]}.${ipv4[2]}.${ipv4[1]}`;
  const ipv6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (!ipv6) return null;
  const digits = ipv6[1]!.replaceAll('.', '').split('').reverse().join('');
  return addressText(Uint8Array.from(Buffer.from(digits, 'hex')));
}
