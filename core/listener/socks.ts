/** The greeting of SOCKS5 (RFC 1928): no authentication, CONNECT alone, names resolved by us. */
import type { Destination } from '../flow.ts';
import { canonicalHost } from '../names/host.ts';
import { destinationOf } from '../names/destination.ts';

export const SOCKS_VERSION = 5;
const NO_AUTHENTICATION = 0x00;
const NO_ACCEPTABLE_METHOD = 0xff;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

const REPLY = { succeeded: 0, generalFailure: 1, commandNotSupported: 7, addressTypeNotSupported: 8 } as const;

/** What the bytes so far lead to; `reply` is to be sent in any case. */
export type SocksStep =
  | { readonly kind: 'more'; readonly reply: Buffer | null }
  | { readonly kind: 'connect'; readonly reply: Buffer; readonly destination: Destination; readonly rest: Buffer }
  | { readonly kind: 'refuse'; readonly reply: Buffer };

export class SocksHandshake {
  #greeted = false;
  #bytes: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): SocksStep {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#greeted) return this.#request(null);
    const bytes = this.#bytes;
    const length = 2 + (bytes[1] ?? 0);
    if (bytes.length < 2 || bytes.length < length) return { kind: 'more', reply: null };
    if (!bytes.subarray(2, length).includes(NO_AUTHENTICATION)) return { kind: 'refuse', reply: Buffer.from([SOCKS_VERSION, NO_ACCEPTABLE_METHOD]) };
    this.#greeted = true;
    this.#bytes = bytes.subarray(length);
    return this.#request(Buffer.from([SOCKS_VERSION, NO_AUTHENTICATION]));
  }

  /** @param greeting our answer to the greeting, where it is still to be sent. */
  #request(greeting: Buffer | null): SocksStep {
    const bytes = this.#bytes;
    const reply = (code: number): Buffer => Buffer.concat([greeting ?? Buffer.alloc(0), Buffer.from([SOCKS_VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0])]);
    const more: SocksStep = { kind: 'more', reply: greeting };
    if (bytes.length < 5) return more;
    if (bytes[0] !== SOCKS_VERSION) return { kind: 'refuse', reply: reply(REPLY.generalFailure) };
    if (bytes[1] !== CONNECT) return { kind: 'refuse', reply: reply(REPLY.commandNotSupported) };
    const type = bytes[3]!;
    const length = type === IPV4 ? 4 : type === IPV6 ? 16 : type === NAME ? 1 + bytes[4]! : 0;
    if (length === 0) return { kind: 'refuse', reply: reply(REPLY.addressTypeNotSupported) };
    const end = 4 + length + 2;
    if (bytes.length < end) return more;
    const host = canonicalHost(addressText(type, bytes.subarray(4, 4 + length)));
    const port = bytes.readUInt16BE(end - 2);
    if (host === null || port === 0) return { kind: 'refuse', reply: reply(REPLY.generalFailure) };
    return { kind: 'connect', reply: reply(REPLY.succeeded), destination: destinationOf(host, port), rest: bytes.subarray(end) };
  }
}

function addressText(type: number, bytes: Buffer): string {
  if (type === NAME) return bytes.toString('latin1', 1);
  if (type === IPV4) return bytes.join('.');
  return Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(2 * group).toString(16)).join(':');
}
