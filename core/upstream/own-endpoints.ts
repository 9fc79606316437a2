/** The listeners of this process, which its dialler never connects to. */
import type { AddressGuard } from './address-guard.ts';
import { socketAddress } from '../names/host.ts';

const UNSPECIFIED = new Set(['0.0.0.0', '::']);

export class OwnEndpoints {
  readonly #guard: AddressGuard;
  /** Addresses listened on, by port. */
  readonly #listeners = new Map<number, Set<string>>();

  constructor(guard: AddressGuard) {
    this.#guard = guard;
  }

  add(address: string, port: number): void {
    let addresses = this.#listeners.get(port);
    if (!addresses) this.#listeners.set(port, (addresses = new Set()));
    addresses.add(socketAddress(address));
  }

  delete(address: string, port: number): void {
    this.#listeners.get(port)?.delete(socketAddress(address));
  }

  /** True where a connection to the address and port would reach one of the listeners. */
  has(address: string, port: number): boolean {
    const listeners = this.#listeners.get(port);
    if (!listeners || listeners.size === 0) return false;
    const target = unmapped(address);
    if (listeners.has(target)) return true;
    // To dial the unspecified address is to dial loopback; to listen on it is to listen on every address of the host.
    if (UNSPECIFIED.has(target)) return [...listeners].some((listener) => UNSPECIFIED.has(listener) || this.#isLocal(listener));
    return this.#isLocal(target) && [...UNSPECIFIED].some((wildcard) => listeners.has(wildcard));
  }

  #isLocal(address: string): boolean {
    return address.startsWith('127.') || address === '::1' || this.#guard.isOwn(address);
  }
}

/** A pin may be IPv4-mapped, and leads to the IPv4 address. */
function unmapped(address: string): string {
  const groups = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (!groups) return address;
  const [high, low] = [Number.parseInt(groups[1]!, 16), Number.parseInt(groups[2]!, 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
