/** Pins: names and addresses that the profile leads to an address of its choice, the one way past the address guard. */
import { MentuError } from '../errors.ts';
import { parsePort } from '../names/authority.ts';
import { canonicalHost, isAddress } from '../names/host.ts';

export interface Pin {
  readonly address: string;
  /** Null: the port that the client dialled. */
  readonly port: number | null;
}

export class HostPins {
  readonly #pins = new Map<string, Pin>();

  /** `hosts`: a name, or an address that a client may dial → `address[:port]`. Throws `host_pin_invalid`. */
  constructor(hosts: Readonly<Record<string, string>>) {
    for (const [name, target] of Object.entries(hosts)) {
      const invalid = (reason: string): MentuError => new MentuError('host_pin_invalid', { name: JSON.stringify(name), target: JSON.stringify(target), reason });
      const host = canonicalHost(name);
      if (host === null) throw invalid(`${JSON.stringify(name)} is no host`);
      if (this.#pins.has(host)) throw invalid(`${host} is pinned twice`);
      const pin = parseTarget(target);
      if (typeof pin === 'string') throw invalid(pin);
      this.#pins.set(host, pin);
    }
  }

  /** The pin of a canonical name or address. */
  get(host: string): Pin | undefined {
    return this.#pins.get(host);
  }
}

/** The pin, or what is wrong with it. IPv6 with a port stands in brackets. */
function parseTarget(target: string): Pin | string {
  const bare = canonicalHost(target);
  if (bare !== null && isAddress(bare)) return { address: bare, port: null };
  const colon = target.lastIndexOf(':');
  const host = canonicalHost(colon < 0 ? target : target.slice(0, colon));
  if (host === null || !isAddress(host)) return `${JSON.stringify(target)} does not lead to an address`;
  const port = parsePort(target.slice(colon + 1));
  if (port === null) return `the port ${JSON.stringify(target.slice(colon + 1))} is not 1 to 65535`;
  return { address: host, port };
}
