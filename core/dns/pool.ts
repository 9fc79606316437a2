/** The synthetic pool: addresses that stand for names within one job, so that a connection to one tells the name that was asked for. */
import { addressBytes, addressText } from '../names/address.ts';

/** Benchmarking space (RFC 2544), which leads nowhere on the Internet. */
const IPV4_NETWORK = '198.18.0.0';
const IPV4_BITS = 15;
/** A unique local prefix of our own (RFC 4193); its 40 bits spell "Mentu". */
const IPV6_NETWORK = 'fd4d:656e:7475::';
const IPV6_BITS = 48;

export interface SyntheticPair {
  readonly ipv4: string;
  readonly ipv6: string;
}

export class SyntheticPool {
  /** Names by their number; 0 is left out, for its IPv4 address names the network. */
  readonly #names: string[] = [''];
  readonly #numbers = new Map<string, number>();
  readonly #ipv4 = numberOf(addressBytes(IPV4_NETWORK)!);
  readonly #ipv6 = addressBytes(IPV6_NETWORK)!;
  readonly #capacity: number;

  /** `capacity`: names at most; the whole network, 131070, where it is left out. */
  constructor(capacity = 2 ** (32 - IPV4_BITS) - 2) {
    this.#capacity = capacity;
  }

  /** The addresses of a canonical name, the same for the whole job; null when the pool is exhausted. */
  issue(name: string): SyntheticPair | null {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      if (this.#names.length > this.#capacity) return null;
      number = this.#names.push(name) - 1;
      this.#numbers.set(name, number);
    }
    return { ipv4: this.#ipv4Of(number), ipv6: this.#ipv6Of(number) };
  }

  /** The name behind an address; undefined for an address that was never issued. */
  nameOf(address: string): string | undefined {
    const number = this.#numberOf(address);
    return number === null || number === 0 ? undefined : this.#names[number];
  }

  /** True for an address that stands for a name. */
  issued(address: string): boolean {
    return this.nameOf(address) !== undefined;
  }

  /** True for every address of the pool's networks; one that is not issued leads nowhere and is denied. */
  covers(address: string): boolean {
    return this.#numberOf(address) !== null;
  }

  get size(): number {
    return this.#names.length - 1;
  }

  #ipv4Of(number: number): string {
    const value = this.#ipv4 + number;
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
  }

  #ipv6Of(number: number): string {
    const bytes = Uint8Array.from(this.#ipv6);
    new DataView(bytes.buffer).setUint32(12, number);
    return addressText(bytes);
  }

  /** The number of an address of the networks, maybe one of no name; null outside of them. */
  #numberOf(address: string): number | null {
    const bytes = addressBytes(address);
    if (bytes === null) return null;
    if (bytes.length === 4) {
      const number = numberOf(bytes) - this.#ipv4;
      return number >= 0 && number < 2 ** (32 - IPV4_BITS) ? number : null;
    }
    const prefix = IPV6_BITS / 8;
    if (this.#ipv6.some((byte, i) => i < prefix && byte !== bytes[i])) return null;
    return bytes.subarray(prefix, 12).some((byte) => byte !== 0) ? 0 : numberOf(bytes.subarray(12));
  }
}

function numberOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}
