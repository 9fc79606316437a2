/**
 * The address space that is not the public Internet, from IANA's IPv4 and IPv6 Special-Purpose Address
 * Registries and the RFCs behind them, and the few addresses that cloud hosts answer on themselves.
 */
export interface SpecialRange {
  readonly network: string;
  /** Prefix length in bits. */
  readonly bits: number;
  readonly name: string;
  readonly source: string;
}

export const SPECIAL_IPV4: readonly SpecialRange[] = [
  { network: '0.0.0.0', bits: 8, name: 'this network, unspecified', source: 'RFC 791, section 3.2' },
  { network: '10.0.0.0', bits: 8, name: 'private', source: 'RFC 1918' },
  { network: '100.64.0.0', bits: 10, name: 'shared address space', source: 'RFC 6598' },
  { network: '127.0.0.0', bits: 8, name: 'loopback', source: 'RFC 1122, section 3.2.1.3' },
  { network: '168.63.129.16', bits: 32, name: 'platform services of the cloud host', source: 'Azure, IP address 168.63.129.16' },
  { network: '169.254.0.0', bits: 16, name: 'link-local, cloud metadata', source: 'RFC 3927' },
  { network: '172.16.0.0', bits: 12, name: 'private', source: 'RFC 1918' },
  // Whole, with its two anycast addresses (RFC 7723, RFC 8155): these mean a server of the local network.
  { network: '192.0.0.0', bits: 24, name: 'IETF protocol assignments', source: 'RFC 6890, section 2.1' },
  { network: '192.0.2.0', bits: 24, name: 'documentation', source: 'RFC 5737' },
  { network: '192.88.99.0', bits: 24, name: '6to4 relay anycast', source: 'RFC 7526' },
  { network: '192.168.0.0', bits: 16, name: 'private', source: 'RFC 1918' },
  { network: '198.18.0.0', bits: 15, name: 'benchmarking', source: 'RFC 2544' },
  { network: '198.51.100.0', bits: 24, name: 'documentation', source: 'RFC 5737' },
  { network: '203.0.113.0', bits: 24, name: 'documentation', source: 'RFC 5737' },
  { network: '224.0.0.0', bits: 4, name: 'multicast', source: 'RFC 5771' },
  { network: '255.255.255.255', bits: 32, name: 'limited broadcast', source: 'RFC 919' },
  { network: '240.0.0.0', bits: 4, name: 'reserved', source: 'RFC 1112, section 4' },
];

/** The first that holds gives the name, so the narrow ones come first; the last ones hold for all that is not global unicast. */
export const SPECIAL_IPV6: readonly SpecialRange[] = [
  { network: '::', bits: 128, name: 'unspecified', source: 'RFC 4291, section 2.5.2' },
  { network: '::1', bits: 128, name: 'loopback', source: 'RFC 4291, section 2.5.3' },
  { network: '::ffff:0:0', bits: 96, name: 'IPv4-mapped', source: 'RFC 4291, section 2.5.5.2' },
  { network: '::', bits: 96, name: 'IPv4-compatible', source: 'RFC 4291, section 2.5.5.1' },
  { network: '::ffff:0:0:0', bits: 96, name: 'IPv4-translated', source: 'RFC 2765, section 2.1' },
  { network: '64:ff9b:1::', bits: 48, name: 'local-use NAT64', source: 'RFC 8215' },
  { network: '100::', bits: 64, name: 'discard-only', source: 'RFC 6666' },
  { network: '100:0:0:1::', bits: 64, name: 'dummy prefix', source: 'RFC 9780' },
  { network: '2001::', bits: 32, name: 'Teredo', source: 'RFC 4380' },
  { network: '2001:2::', bits: 48, name: 'benchmarking', source: 'RFC 5180' },
  { network: '2001:10::', bits: 28, name: 'ORCHID', source: 'RFC 4843' },
  { network: '2001:20::', bits: 28, name: 'ORCHIDv2', source: 'RFC 7343' },
  { network: '2001:30::', bits: 28, name: 'drone remote identifiers', source: 'RFC 9374' },
  { network: '2001::', bits: 23, name: 'IETF protocol assignments', source: 'RFC 2928' },
  { network: '2001:db8::', bits: 32, name: 'documentation', source: 'RFC 3849' },
  { network: '2002::', bits: 16, name: '6to4', source: 'RFC 3056' },
  { network: '3fff::', bits: 20, name: 'documentation', source: 'RFC 9637' },
  { network: '5f00::', bits: 16, name: 'SRv6 segment identifiers', source: 'RFC 9602' },
  { network: 'fc00::', bits: 7, name: 'unique local', source: 'RFC 4193' },
  { network: 'fe80::', bits: 10, name: 'link-local', source: 'RFC 4291, section 2.5.6' },
  { network: 'fec0::', bits: 10, name: 'site-local', source: 'RFC 3879' },
  { network: 'ff00::', bits: 8, name: 'multicast', source: 'RFC 4291, section 2.7' },
  // Global unicast is 2000::/3; the rest is reserved (RFC 4291, section 2.4), 64:ff9b::/96 apart.
  { network: '::', bits: 3, name: 'reserved', source: 'RFC 4291, section 4' },
  { network: '4000::', bits: 2, name: 'reserved', source: 'RFC 4291, section 4' },
  { network: '8000::', bits: 1, name: 'reserved', source: 'RFC 4291, section 4' },
];

/** NAT64's well-known prefix: the last four bytes are the IPv4 address that is reached (RFC 6052, section 2.1). */
export const NAT64: SpecialRange = { network: '64:ff9b::', bits: 96, name: 'NAT64', source: 'RFC 6052' };
