/** The plane's nftables ruleset and its counters. */
import type { PlaneDrops } from '../engine.ts';
import { CAPTURE_PORT, DNS_PORT, GUEST, PLANE, UDP_PORT } from './addresses.ts';

/** A guard that a test may leave out, to prove that its probe would succeed without it. */
export interface RulesetOptions {
  /** False leads every UDP packet to the DNS sockets instead of keeping them apart. */
  readonly dropUdp: boolean;
  /** `asked`: the guest's kernel asks for the plane's address by neighbour discovery, as a machine's does. */
  readonly neighbours?: 'permanent' | 'asked';
}

/**
 * What the guest answers to connections of ours goes to their sockets, which are not the listener's. All other TCP
 * goes to the capture listener whatever its port, UDP 53 to the DNS sockets whatever its address, other UDP to one
 * address to the sockets opened for it or else to where the host is asked; the rest is dropped and counted. Neighbour discovery, router solicitation and multicast listener reports are what the guest's
 * kernel says by itself: they are dropped uncounted where the neighbours are permanent. Only DNS needs its connections
 * tracked, to be answered from the address that was asked.
 */
export function ruleset({ dropUdp, neighbours = 'permanent' }: RulesetOptions): string {
  const discovery = neighbours === 'asked' ? 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept' : '';
  const udp = dropUdp ? `udp dport ${DNS_PORT}` : 'meta l4proto udp';
  const untracked = (side: 'dport' | 'sport'): string => (dropUdp ? `udp ${side} != ${DNS_PORT} notrack` : '');
  return `
table inet plane {
  counter dropped_udp {}
  counter dropped_other {}
  chain arrivals {
    type filter hook prerouting priority raw; policy accept;
    meta l4proto tcp notrack
    ${untracked('dport')}
  }
  chain replies {
    type filter hook output priority raw; policy accept;
    meta l4proto tcp notrack
    ${untracked('sport')}
  }
  chain capture {
    type filter hook prerouting priority mangle; policy drop;
    ip saddr ${GUEST.v4} ip daddr ${PLANE.v4} tcp flags & (syn | ack) != syn accept
    meta nfproto ipv4 meta l4proto tcp tproxy ip to :${CAPTURE_PORT} accept
    meta nfproto ipv6 meta l4proto tcp tproxy ip6 to :${CAPTURE_PORT} accept
    ${udp} accept
    meta l4proto udp ip daddr != { 0.0.0.0/8, 224.0.0.0/3 } tproxy ip to :${UDP_PORT} accept
    meta l4proto udp ip6 daddr != ff00::/8 tproxy ip6 to :${UDP_PORT} accept
    meta l4proto udp counter name dropped_udp drop
    ${discovery}
    icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } drop
    counter name dropped_other drop
  }
  chain names {
    type nat hook prerouting priority dstnat; policy accept;
    ${udp} redirect to :${DNS_PORT}
  }
  chain transit {
    type filter hook forward priority filter; policy drop;
    counter name dropped_other drop
  }
}
`;
}

export const COUNTERS_COMMAND = ['-j', 'list', 'counters', 'table', 'inet', 'plane'] as const;

/** Reads the answer of `nft` to `COUNTERS_COMMAND`. */
export function parseCounters(json: string): PlaneDrops {
  const { nftables } = JSON.parse(json) as { nftables: { counter?: { name: string; packets: number } }[] };
  const packets = (name: string): number => {
    const found = nftables.find((entry) => entry.counter?.name === name)?.counter;
    if (!found) throw new Error(`nft lists no counter ${name}`);
    return found.packets;
  };
  return { udp: packets('dropped_udp'), other: packets('dropped_other') };
}
