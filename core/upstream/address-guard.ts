/**
 * The guard of the dialler: what is not a public address is not dialled. It holds for every job; a pin of the
 * profile is the only way past it.
 */
import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { addressBytes, addressText } from '../names/address.ts';
import { canonicalHost } from '../names/host.ts';
import { NAT64, SPECIAL_IPV4, SPECIAL_IPV6, type SpecialRange } from './special-addresses.ts';

/** The addresses of the host are read anew when they are older than this. */
const INTERFACES_FRESH_MS = 1_000;

interface CompiledRange {
  readonly range: SpecialRange;
  readonly list: BlockList;
}

/** Why an address is not dialled. */
export interface Refusal {
  /** What the address is, such as `loopback`. */
  readonly name: string;
  /** Where that is laid down, such as `RFC 1918`. */
  readonly source: string;
}

const NO_ADDRESS: Refusal = { name: 'no address', source: 'RFC 4291, section 2.2' };
const OWN_ADDRESS: Refusal = { name: 'an address of this host', source: 'network interfaces' };

export class AddressGuard {
  readonly #ipv4 = SPECIAL_IPV4.map((range) => compile(range, 'ipv4'));
  readonly #ipv6 = SPECIAL_IPV6.map((range) => compile(range, 'ipv6'));
  readonly #nat64 = compile(NAT64, 'ipv6').list;
  readonly #interfaces: () => Iterable<string>;
  #own = new Set<string>();
  #ownReadAt = Number.NEGATIVE_INFINITY;

  /** `interfaces` gives the addresses of the host; the system's own where it is left out. */
  constructor(interfaces: () => Iterable<string> = hostAddresses) {
    this.#interfaces = interfaces;
  }

  /** Why the address is refused, or null for a public one. Text that is no address, or one with a zone, is refused. */
  refusal(address: string): Refusal | null {
    const bytes = addressBytes(address);
    if (bytes === null) return NO_ADDRESS;
    return bytes.length === 4 ? this.#refusalOfIPv4(address) : this.#refusalOfIPv6(address, bytes);
  }

  /** True for an address of one of the host's interfaces, which `refusal` covers too. */
  isOwn(address: string): boolean {
    const now = performance.now();
    if (now - this.#ownReadAt > INTERFACES_FRESH_MS) {
      this.#own = new Set(this.#interfaces());
      this.#ownReadAt = now;
    }
    return this.#own.has(address);
  }

  #refusalOfIPv4(address: string): Refusal | null {
    for (const { list, range } of this.#ipv4) if (list.check(address, 'ipv4')) return range;
    return this.isOwn(address) ? OWN_ADDRESS : null;
  }

  #refusalOfIPv6(address: string, bytes: Uint8Array): Refusal | null {
    if (this.#nat64.check(address, 'ipv6')) {
      const embedded = this.#refusalOfIPv4(addressText(bytes.subarray(12)));
      return embedded === null ? null : { name: `NAT64 of ${embedded.name}`, source: `${NAT64.source}, ${embedded.source}` };
    }
    for (const { list, range } of this.#ipv6) if (list.check(address, 'ipv6')) return range;
    return this.isOwn(addressText(bytes)) ? OWN_ADDRESS : null;
  }
}

function compile(range: SpecialRange, family: 'ipv4' | 'ipv6'): CompiledRange {
  const list = new BlockList();
  list.addSubnet(range.network, range.bits, family);
  return { range, list };
}

function* hostAddresses(): Iterable<string> {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) {
      const canonical = canonicalHost(address);
      if (canonical !== null) yield canonical;
    }
  }
}
