/** What a tunnel through a proxy is asked for. */

export interface TunnelTarget {
  /** Canonical name or address. */
  readonly host: string;
  readonly port: number;
}

export interface ProxyCredentials {
  readonly user: string;
  readonly password: string;
}
