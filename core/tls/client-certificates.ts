/** Which certificate of ours stands ready for which host. TLS over TCP and over QUIC ask the same object. */
import { HostPatternList } from '../names/pattern.ts';
import { isAddress } from '../names/host.ts';
import type { ClientIdentity } from './client-identity.ts';

export interface ClientCertificateRule {
  /** A host pattern. */
  readonly host: string;
  readonly identity: ClientIdentity;
}

export class ClientCertificates {
  readonly #patterns: HostPatternList;
  readonly #identities = new Map<string, ClientIdentity>();

  /** Of two rules with one pattern the first holds. Throws `host_pattern_invalid`. */
  constructor(rules: readonly ClientCertificateRule[] = []) {
    this.#patterns = new HostPatternList(rules.map(({ host }) => host));
    for (const { host, identity } of rules) if (!this.#identities.has(host)) this.#identities.set(host, identity);
  }

  /**
   * @param host canonical: what is dialled.
   * @param name the name that the server's certificate has to be valid for. Another name than a dialled one must have the
   *   same certificate, or there is none: a client could lead a certificate to a server that it was not meant for.
   */
  for(host: string, port: number, name: string = host): ClientIdentity | null {
    if (this.#patterns.size === 0) return null;
    const ofName = this.#find(name, port);
    if (name === host) return ofName;
    const ofHost = this.#find(host, port);
    if (isAddress(host) && ofHost === null) return ofName;
    return ofHost === ofName ? ofHost : null;
  }

  #find(host: string, port: number): ClientIdentity | null {
    const pattern = this.#patterns.match(host, port);
    return pattern === null ? null : this.#identities.get(pattern)!;
  }
}
