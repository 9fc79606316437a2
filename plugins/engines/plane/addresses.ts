/**
 * The addresses between a guest and its plane. The guest has single addresses and routes all else through the
 * plane's, so that no address a job may dial is on the guest's link. Both are outside core's pool of answers and nobody's
 * on the Internet: the prefix for translation within a host (RFC 7335) and a unique local one (RFC 4193).
 */
/** The plane's end has an index unlike its peer's: where they are equal, the kernel reports the link up a second late (linkwatch). */
export const PLANE = { interface: 'guest0', index: 7, mac: '02:6d:65:6e:74:01', v4: '192.0.0.1', v6: 'fd6d:656e:7475::1' } as const;
export const GUEST = { interface: 'eth0', mac: '02:6d:65:6e:74:02', v4: '192.0.0.2', v6: 'fd6d:656e:7475::2' } as const;

/** The most a tap takes, and nearly the most of a veth pair. No wire is between: with 1500 bytes, bulk transfers took five times as long. */
export const MTU = 65_521;

/** Where every TCP connection is led; the accepted socket's local port is still the original one. */
export const CAPTURE_PORT = 15001;
export const DNS_PORT = 53;
/** Where UDP is led for which no socket is open; it carries its original destination. */
export const UDP_PORT = 15002;

/**
 * `ip -batch` lines for the plane's end. `guest` is the pid of a process in the guest's network namespace; null where the
 * plane's end is a tap, which is there already.
 */
export function planeLines(guest: number | null, v6: boolean): string[] {
  const { interface: link } = PLANE;
  return [
    'link set lo up',
    // In the table `main`, so that the guest's own address, being longer, wins over "everything is local".
    'route add local 0.0.0.0/0 dev lo table main',
    ...(guest === null ? [`link set ${link} mtu ${MTU} address ${PLANE.mac}`, ...(v6 ? [`link set ${link} addrgenmode none`] : [])] : [`link add ${link} mtu ${MTU} index ${PLANE.index} address ${PLANE.mac} type veth peer name ${GUEST.interface} mtu ${MTU} address ${GUEST.mac} netns ${guest}`]),
    `address add ${PLANE.v4}/32 dev ${link}`,
    `link set ${link} up`,
    `route add ${GUEST.v4}/32 dev ${link}`,
    `neighbour add ${GUEST.v4} lladdr ${GUEST.mac} dev ${link} nud permanent`,
    ...(v6
      ? [
          'route add local ::/0 dev lo table main',
          `address add ${PLANE.v6}/128 dev ${link} nodad`,
          `route add ${GUEST.v6}/128 dev ${link}`,
          `neighbour add ${GUEST.v6} lladdr ${GUEST.mac} dev ${link} nud permanent`,
        ]
      : []),
  ];
}

/** `ip -batch` lines for the guest's end. Neighbours are permanent: no ARP and no neighbour discovery is needed. */
export function guestLines(v6: boolean): string[] {
  const { interface: link } = GUEST;
  return [
    'link set lo up',
    `address add ${GUEST.v4}/32 dev ${link}`,
    // A link-local address would become valid seconds after the start, and browsers break off requests when addresses change.
    ...(v6 ? [`link set ${link} addrgenmode none`] : []),
    `link set ${link} up`,
    `neighbour add ${PLANE.v4} lladdr ${PLANE.mac} dev ${link} nud permanent`,
    `route add ${PLANE.v4}/32 dev ${link}`,
    `route add default via ${PLANE.v4} dev ${link}`,
    ...(v6
      ? [
          `address add ${GUEST.v6}/128 dev ${link} nodad`,
          `neighbour add ${PLANE.v6} lladdr ${PLANE.mac} dev ${link} nud permanent`,
          `route add ${PLANE.v6}/128 dev ${link}`,
          `route add default via ${PLANE.v6} dev ${link}`,
        ]
      : []),
  ];
}
