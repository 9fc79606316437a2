/** Where a client wants to go, from a host as it was named. */
import type { Destination } from '../flow.ts';
import { isAddress } from './host.ts';

/** @param host canonical, a name or an address. */
export function destinationOf(host: string, port: number): Destination {
  return isAddress(host) ? { name: null, address: host, port } : { name: host, address: null, port };
}
