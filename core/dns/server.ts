/** The resolver of the guest: answers from the synthetic pool, so that each connection has its name back. */
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { MentuError } from '../errors.ts';
import { addressText } from '../names/address.ts';
import { canonicalHost, isAddress } from '../names/host.ts';
import type { Dialler, ResolvedHost } from '../upstream/dialler.ts';
import { decodeQuery, encodeResponse, isStandardQuery, type Answer, type Question, type Response } from './message.ts';
import type { SyntheticPool } from './pool.ts';

/** Seconds for which a client may keep an answer. */
const TTL_SECONDS = 60;
const EMPTY: Response = { code: 'NOERROR' };

export interface DnsServerOptions {
  /** Where the addresses come from. */
  readonly pool: SyntheticPool;
  readonly dialler: Pick<Dialler, 'resolve'>;
  /** Judges a canonical name before anything is looked up. Where it fails, the answer is SERVFAIL. */
  readonly judge: (name: string) => Promise<'allow' | 'deny'>;
  /** Queries in work at most; further ones get SERVFAIL at once. Default 256. */
  readonly maxPending?: number;
}

export class DnsServer {
  readonly #options: Required<DnsServerOptions>;
  readonly #sockets = new Map<UdpSocket, (message: Buffer, peer: RemoteInfo) => void>();
  #pending = 0;

  constructor(options: DnsServerOptions) {
    this.#options = { maxPending: 256, ...options };
  }

  /** Answers what comes in on a bound socket until `close`. The socket stays its owner's. */
  serveUdp(socket: UdpSocket): void {
    const listener = (message: Buffer, peer: RemoteInfo): void => {
      void this.answer(message, 'udp').then((response) => {
        // A client that has gone away is no failure of ours.
        if (response && this.#sockets.has(socket)) socket.send(response, peer.port, peer.address, () => {});
      });
    };
    this.#sockets.set(socket, listener);
    socket.on('message', listener);
  }

  /** The response to one message, without the length prefix of TCP; null for what must not be answered. Never rejects. */
  async answer(message: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | null> {
    const query = decodeQuery(message);
    if (query === null) return null;
    const reply = (response: Response): Buffer => encodeResponse(query, response, transport);
    if (!isStandardQuery(query)) return reply({ code: 'NOTIMP' });
    if (query.question === null) return reply({ code: 'FORMERR' });
    if (query.edns && query.edns.version !== 0) return reply({ code: 'BADVERS' });
    if (query.question.class !== 'IN') return reply({ code: 'REFUSED' });
    if (this.#pending >= this.#options.maxPending) return reply({ code: 'SERVFAIL' });
    this.#pending += 1;
    try {
      return reply(await this.#respond(query.question));
    } catch {
      return reply({ code: 'SERVFAIL' });
    } finally {
      this.#pending -= 1;
    }
  }

  /** Lets go of the sockets. */
  close(): void {
    for (const [socket, listener] of this.#sockets) socket.off('message', listener);
    this.#sockets.clear();
  }

  async #respond(question: Question): Promise<Response> {
    const { name, type } = question;
    if (name === '') return { code: 'REFUSED' };
    const reversed = reverseAddress(name);
    if (reversed !== null) return this.#respondToPointer(question, reversed);
    // A name of DNS is written as it is; what only becomes a host by decoding, or is an address, does not exist there.
    const host = canonicalHost(name);
    if (host !== name || isAddress(host)) return { code: 'NXDOMAIN' };
    // RFC 6761, section 6.3: the guest's own loopback, which nobody needs to be asked for.
    if (name === 'localhost' || name.endsWith('.localhost')) return addresses(question, ['127.0.0.1', '::1']);

    const isAllowed = (await this.#options.judge(name)) === 'allow';
    if (type !== 'A' && type !== 'AAAA') return isAllowed ? EMPTY : { code: 'REFUSED' };
    return this.#respondFromPool(question, isAllowed);
  }

  /**
   * Both families for every name that exists, whatever families it has: we accept the connection, and the dialler
   * finds its own way. A denied name is not looked up; its connection gets the refusal that says why.
   */
  async #respondFromPool(question: Question, isAllowed: boolean): Promise<Response> {
    const resolved = isAllowed ? await this.#resolve(question.name) : null;
    if (resolved === 'NXDOMAIN' || resolved === 'SERVFAIL') return { code: resolved };
    const pair = this.#options.pool.issue(question.name);
    return pair ? addresses(question, [pair.ipv4, pair.ipv6]) : { code: 'SERVFAIL' };
  }

  /** Null: the name exists, and none of its addresses may be dialled, which is for the connection to say. */
  async #resolve(name: string): Promise<ResolvedHost | null | 'NXDOMAIN' | 'SERVFAIL'> {
    try {
      return await this.#options.dialler.resolve(name);
    } catch (error) {
      if (error instanceof MentuError && error.code === 'address_denied') return null;
      const isUnknown = error instanceof MentuError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOTFOUND';
      return isUnknown ? 'NXDOMAIN' : 'SERVFAIL';
    }
  }

  #respondToPointer({ name, type }: Question, address: string): Response {
    const issued = this.#options.pool.nameOf(address);
    if (issued === undefined) return { code: 'NXDOMAIN' };
    return type === 'PTR' ? { code: 'NOERROR', answers: [{ type: 'PTR', name, ttl: TTL_SECONDS, data: issued }] } : EMPTY;
  }
}

/** The addresses of the question's type. */
function addresses({ name, type }: Question, all: readonly string[]): Response {
  const ofType = all.filter((address) => address.includes(':') === (type === 'AAAA'));
  if (type !== 'A' && type !== 'AAAA') return EMPTY;
  return { code: 'NOERROR', answers: ofType.map((data): Answer => ({ type, name, ttl: TTL_SECONDS, data })) };
}

/** The address that a name under `in-addr.arpa` or `ip6.arpa` asks for (RFC 1035, section 3.5; RFC 3596, section 2.5). */
function reverseAddress(name: string): string | null {
  const ipv4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (ipv4) return `${ipv4[4]}.${ipv4[3]}.${ipv4[2]}.${ipv4[1]}`;
  const ipv6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name);
  if (!ipv6) return null;
  const digits = ipv6[1]!.replaceAll('.', '').split('').reverse().join('');
  return addressText(Uint8Array.from(Buffer.from(digits, 'hex')));
}
