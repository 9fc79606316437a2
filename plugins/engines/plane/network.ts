/**
 * The network of one job, as the helper process builds it in its own user and network namespace. The main thread of
 * the helper lives in the plane; `inGuest` takes it into the guest's network namespace to start a process there.
 * The guest's namespace belongs to the plane's user namespace: root inside the guest has no capability over it.
 */
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import type { PlaneDrops } from '../engine.ts';
import type { IpFamily, LibC } from '../libc.ts';
import type { Tools } from '../tools.ts';
import { CAPTURE_PORT, DNS_PORT, PLANE, guestLines, planeLines } from './addresses.ts';
import { startCommand } from './command.ts';
import type { RunningCommand } from './command.ts';
import { COUNTERS_COMMAND, parseCounters, ruleset } from './ruleset.ts';
import type { PacketTap } from './packet-tap.ts';
import type { RulesetOptions } from './ruleset.ts';
import { UdpIntake } from './udp-intake.ts';

export interface PlaneSockets {
  readonly tcp: readonly Server[];
  readonly dns: readonly Socket[];
  /** Null where the guest has no network. */
  readonly udp: UdpIntake | null;
}

/** Tools that run in the plane. `links` waits for its lines. */
export interface PlaneTools {
  readonly rules: RunningCommand;
  readonly links: RunningCommand;
}

export class PlaneNetwork {
  readonly sockets: PlaneSockets;
  readonly #tools: Tools;
  readonly #libc: LibC;
  /** Descriptors of the two network namespaces; null where a machine is at the other end of a tap. */
  readonly #namespaces: { readonly plane: number; readonly guest: number } | null;
  #tap: number | null = null;
  #packets: PacketTap | null = null;

  private constructor(sockets: PlaneSockets, tools: Tools, libc: LibC, namespaces: { plane: number; guest: number } | null) {
    this.sockets = sockets;
    this.#tools = tools;
    this.#libc = libc;
    this.#namespaces = namespaces;
  }

  /** Starts what needs no library, in the plane, so that it overlaps with loading one. */
  static startTools(tools: Tools, options: RulesetOptions): PlaneTools {
    const rules = startCommand(tools.nft, ['-f', '-']);
    rules.feed(ruleset(options));
    return { rules, links: startCommand(tools.ip, ['-batch', '-']) };
  }

  /** Sockets in the plane, a veth pair, and a guest end that is up. */
  static async open(tools: Tools, libc: LibC, { rules, links }: PlaneTools): Promise<PlaneNetwork> {
    const v6 = hasIpv6();
    const sockets = await listen(libc, v6);
    const plane = openSync('/proc/self/ns/net', 'r');
    const guest = enterFreshNamespace(libc);
    const guestLinks = startCommand(tools.ip, ['-batch', '-']); // forked here: it stays with the guest
    try {
      links.feed(lines(planeLines(process.pid, v6)));
      await links.done;
    } finally {
      libc.enterNetwork(plane);
    }
    guestLinks.feed(lines(guestLines(v6)));
    await Promise.all([guestLinks.done, rules.done]);
    return new PlaneNetwork(sockets, tools, libc, { plane, guest });
  }

  /** Sockets in the plane, and a tap whose other end is a machine's network card. */
  static async withTap(tools: Tools, libc: LibC, { rules, links }: PlaneTools): Promise<PlaneNetwork> {
    const v6 = hasIpv6();
    const sockets = await listen(libc, v6);
    const tap = libc.tap(PLANE.interface);
    links.feed(lines(planeLines(null, v6)));
    await Promise.all([links.done, rules.done]);
    const network = new PlaneNetwork(sockets, tools, libc, null);
    network.#tap = tap;
    return network;
  }

  /** A guest network with a loopback interface and nothing else. */
  static async isolated(tools: Tools, libc: LibC): Promise<PlaneNetwork> {
    const plane = openSync('/proc/self/ns/net', 'r');
    const guest = enterFreshNamespace(libc);
    try {
      const command = startCommand(tools.ip, ['link', 'set', 'lo', 'up']);
      command.feed('');
      await command.done;
    } finally {
      libc.enterNetwork(plane);
    }
    return new PlaneNetwork({ tcp: [], dns: [], udp: null }, tools, libc, { plane, guest });
  }

  /** Calls `start` with the main thread in the guest's network namespace; what it forks stays there. */
  inGuest<Result>(start: () => Result): Result {
    if (this.#namespaces === null) throw new Error('a machine has no network namespace');
    this.#libc.enterNetwork(this.#namespaces.guest);
    try {
      return start();
    } finally {
      this.#libc.enterNetwork(this.#namespaces.plane);
    }
  }

  /** Writes the packets of the guest's link to the host from here on. @param tcpdump its path */
  async capturePackets(tcpdump: string): Promise<void> {
    const { PacketTap } = await import('./packet-tap.ts'); // which few jobs want
    this.#packets = new PacketTap(this.#libc, this.#tools, tcpdump);
    // Without it the link would go with the machine, before its last packets are out.
    if (this.#tap !== null) this.#libc.duplicate(this.#tap);
  }

  /** After the guest's end. */
  async endPackets(): Promise<void> {
    await this.#packets?.close();
  }

  /** The tap's descriptor, once; the caller owns it. */
  takeTap(): number {
    const tap = this.#tap;
    if (tap === null) throw new Error('there is no tap, or it has been taken');
    this.#tap = null;
    return tap;
  }

  async drops(): Promise<PlaneDrops> {
    if (this.sockets.tcp.length === 0) return { udp: 0, other: 0 };
    const command = startCommand(this.#tools.nft, COUNTERS_COMMAND);
    command.feed('');
    const counted = parseCounters(await command.done);
    return { ...counted, udp: counted.udp + (this.sockets.udp?.dropped() ?? 0) };
  }

  close(): void {
    this.sockets.udp?.close();
    if (this.#namespaces !== null) for (const fd of Object.values(this.#namespaces)) closeSync(fd);
    if (this.#tap !== null) closeSync(this.#tap);
  }
}

function hasIpv6(): boolean {
  return existsSync('/proc/sys/net/ipv6');
}

function lines(commands: readonly string[]): string {
  return commands.join('\n') + '\n';
}

function enterFreshNamespace(libc: LibC): number {
  libc.unshareNetwork();
  openLowPorts();
  return openSync('/proc/thread-self/ns/net', 'r');
}

/** Lets a guest without capabilities listen on port 80. This thread is in the guest's network, and the setting is that network's. */
function openLowPorts(): void {
  try {
    writeFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', '0');
  } catch {
    // Where /proc/sys is read-only, only ports from 1024 on can be listened on.
  }
}

async function listen(libc: LibC, v6: boolean): Promise<PlaneSockets> {
  const families: IpFamily[] = v6 ? [4, 6] : [4];
  const tcp = families.map(async (family) => {
    const fd = libc.wildcardSocket('tcp', family, CAPTURE_PORT, true);
    const server = createServer();
    await settled(server, (ready) => server.listen({ fd }, ready));
    return server;
  });
  const dns = families.map(async (family) => {
    const fd = libc.wildcardSocket('udp', family, DNS_PORT, false);
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    await settled(socket, (ready) => socket.bind({ fd }, ready));
    return socket;
  });
  return { tcp: await Promise.all(tcp), dns: await Promise.all(dns), udp: new UdpIntake(libc, families) };
}

function settled(emitter: Server | Socket, start: (ready: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    emitter.once('error', reject);
    start(() => {
      emitter.off('error', reject);
      resolve();
    });
  });
}
