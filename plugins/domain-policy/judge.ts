/** What the lists say to a connection, and to the authority of a request on it. Nothing here blocks: the plugin's mode does. */
import { isAddress, splitAuthority, type Connection, type ErrorCode } from '../../core/index.ts';
import type { DomainLists, PortRule } from './lists.ts';

export interface Finding {
  readonly isAllowed: boolean;
  readonly rule: string;
  /** The name that broke the rule. */
  readonly host?: string;
  /** `denied` where it is left out. */
  readonly code?: ErrorCode;
  /** The name of a flow that is unlike its destination, whether that matters to the lists or not. */
  readonly mismatch?: string;
}

export class Judge {
  readonly #lists: DomainLists;

  constructor(lists: DomainLists) {
    this.#lists = lists;
  }

  /** Destination and server name. An absent server name asserts nothing. */
  connection(connection: Connection): Finding {
    const { destination, protocol } = connection;
    if (protocol === 'dns') return this.#name(destination.name ?? '');
    const { port } = destination;
    const ports: PortRule = protocol === 'raw' ? 'named' : 'port';
    const sni = connection.clientHello?.sni ?? null;
    for (const name of [destination.name, sni, destination.address]) {
      const rule = name === null ? null : this.#lists.denial(name, port, ports);
      if (rule !== null) return { isAllowed: false, rule, host: name! };
    }
    const host = hostOf(connection);
    const allowance = this.#lists.allowance(host, port, ports);
    if (!allowance.isAllowed) return { ...allowance, host };
    return sni === null || sni === host ? allowance : this.#otherName(connection, sni, port, allowance);
  }

  /** A name that is looked up. One with underscored labels (RFC 8552) tells something of the host below them, and goes with it. */
  #name(name: string): Finding {
    const host = name.replace(/^(?:_[^.]*\.)+/, '');
    for (const called of new Set([name, host])) {
      const rule = this.#lists.denial(called, 0, 'none');
      if (rule !== null) return { isAllowed: false, rule, host: called };
    }
    const allowance = this.#lists.allowance(name, 0, 'none');
    if (allowance.isAllowed || host === name) return { ...allowance, host: name };
    return { ...this.#lists.allowance(host, 0, 'none'), host: name };
  }

  /** `text` is an authority as it was sent; `connection` has been found allowed. */
  authority(connection: Connection, text: string): Finding {
    const authority = splitAuthority(text);
    if (authority === null) return { isAllowed: this.#lists.isEmpty, rule: 'the authority of the request is no host and port', code: 'bad_request', host: text };
    const { host } = authority;
    const { port } = connection.destination;
    // A server may choose by the port of Host as well, so that one is judged too.
    const alsoPort = authority.port !== null && authority.port !== port ? authority.port : null;
    const rule = this.#lists.denial(host, port, 'port') ?? (alsoPort === null ? null : this.#lists.denial(host, alsoPort, 'port'));
    if (rule !== null) return { isAllowed: false, rule, host };
    if (alsoPort !== null) {
      const allowance = this.#lists.allowance(host, alsoPort, 'port');
      if (!allowance.isAllowed) return { ...allowance, host };
    }
    const same: Finding = { isAllowed: true, rule: '' };
    return host === hostOf(connection) ? same : this.#otherName(connection, host, port, same);
  }

  /** The destination that a proxy is asked for; what is spoken with it is judged once it speaks. */
  tunnel(text: string): Finding {
    const authority = splitAuthority(text);
    if (authority === null || authority.port === null) return { isAllowed: false, rule: 'the target of CONNECT is no host and port', code: 'bad_request', host: text };
    const { host, port } = authority;
    const rule = this.#lists.denial(host, port, 'port');
    if (rule !== null) return { isAllowed: false, rule, host };
    const allowance = this.#lists.allowance(host, port, 'port');
    return allowance.isAllowed ? { isAllowed: true, rule: '' } : { ...allowance, host };
  }

  /**
   * A name unlike the destination. Where a list restricts, a named destination tolerates no other name;
   * behind a bare address there may be any name that is allowed itself.
   */
  #otherName(connection: Connection, name: string, port: number, allowed: Finding): Finding {
    const isBare = isAddress(hostOf(connection));
    if (isBare) {
      const allowance = this.#lists.allowance(name, port, 'port');
      if (!allowance.isAllowed) return { ...allowance, host: name };
      const sni = connection.clientHello?.sni ?? null;
      return sni === null || sni === name ? allowed : { ...allowed, mismatch: name };
    }
    if (!this.#lists.restrict) return { ...allowed, mismatch: name };
    return { isAllowed: false, rule: 'allowedDomains: a name unlike the destination', host: name, code: 'host_mismatch', mismatch: name };
  }
}

/** What stands for the destination: its name, or the bare address. */
export function hostOf({ destination }: Connection): string {
  return destination.name ?? destination.address ?? '';
}
