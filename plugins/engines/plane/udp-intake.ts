/**
 * The guest's UDP in the plane: datagrams for which no socket is open come here with their destination and are shown to
 * the host, which has a socket opened for the pair or refuses it. A flood is answered by dropping: what is shown is
 * rationed, and nothing grows with the number of destinations.
 */
import { createSocket, type Socket } from 'node:dgram';
import { closeSync, existsSync, readFileSync } from 'node:fs';
import type { IpFamily, LibC } from '../libc.ts';
import { UDP_PORT } from './addresses.ts';
import { familyOf, portUnreachable, readControl, readSocketAddress, socketAddress, type Place } from './udp-packet.ts';

/** Datagrams that are shown to the host, and refusals that are sent: a second's worth at once, and so many a second. */
const RATION = 400;
/** Datagrams that are read before something else gets its turn, and the milliseconds between two such rounds of a flood. */
const ROUND = 256;
const PAUSE = 5;
/** Pairs that were refused, and for how many milliseconds they are. */
const MAX_REFUSED = 4096;
const REFUSED_FOR = 3_000;
const MAX_DATAGRAM = 65_535;

export interface ShownDatagram {
  readonly from: Place;
  readonly to: Place;
  readonly data: Buffer;
}

export class UdpIntake {
  readonly #libc: LibC;
  readonly #listeners: readonly { readonly fd: number; readonly family: IpFamily }[];
  readonly #packets = new Map<IpFamily, number>();
  /** Closing one end wakes who waits. */
  readonly #wake: { read: number; write: number };
  readonly #refused = new Map<string, number>();
  /** Datagrams of each pair that the host was shown and has said nothing of. */
  readonly #shown = new Map<string, { count: number; length: number }>();
  readonly #data = Buffer.alloc(MAX_DATAGRAM);
  readonly #name = Buffer.alloc(28);
  readonly #control = Buffer.alloc(64);
  #show: ((datagram: ShownDatagram) => void) | null = null;
  #ration = RATION;
  #rationed = performance.now();
  #closed = false;
  #dropped = 0;

  constructor(libc: LibC, families: readonly IpFamily[]) {
    this.#libc = libc;
    this.#wake = libc.pipe();
    this.#listeners = families.map((family) => {
      const fd = libc.wildcardSocket('udp', family, UDP_PORT, true);
      libc.tellDestinations(fd, family);
      this.#packets.set(family, libc.packetSocket(family));
      return { fd, family };
    });
    // A thread that waits would hold up the end of the process.
    process.once('exit', () => this.close());
  }

  start(show: (datagram: ShownDatagram) => void): void {
    this.#show = show;
    this.#wait();
  }

  /** A socket at `to`, for the datagrams of `from`: the host connects it. */
  async open(from: Place, to: Place): Promise<Socket> {
    const key = keyOf(from, to);
    const fd = this.#libc.foreignSocket(familyOf(to.address), socketAddress(to));
    const socket = createSocket(familyOf(to.address) === 4 ? 'udp4' : 'udp6');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ fd }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    this.#dropped -= this.#shown.get(key)?.count ?? 0;
    this.#shown.delete(key);
    this.#refused.delete(key);
    return socket;
  }

  /** What `from` sends to `to` is dropped for a while, and it is told so. */
  refuse(from: Place, to: Place): void {
    const key = keyOf(from, to);
    const shown = this.#shown.get(key);
    this.#shown.delete(key);
    this.#refused.delete(key);
    if (this.#refused.size >= MAX_REFUSED) this.#refused.delete(this.#refused.keys().next().value!);
    this.#refused.set(key, performance.now() + REFUSED_FOR);
    this.#tell(from, to, shown?.length ?? 0);
  }

  /** Datagrams that reached nobody, those included that lie there unread and those of a flood that the kernel had no room for. */
  dropped(): number {
    for (let rounds = 0; rounds < 16 && this.#read(); rounds++);
    return this.#dropped + overflows();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of [this.#wake.write, ...this.#listeners.map(({ fd }) => fd), ...this.#packets.values()]) closeSync(fd);
  }

  #wait(): void {
    if (this.#closed) return;
    this.#libc.whenReadable([this.#wake.read, ...this.#listeners.map(({ fd }) => fd)], () => {
      if (this.#closed) return closeSync(this.#wake.read);
      if (this.#read()) setTimeout(() => this.#wait(), PAUSE);
      else this.#wait();
    });
  }

  /** True where there may be more. */
  #read(): boolean {
    if (this.#closed) return false;
    let more = false;
    for (const { fd } of this.#listeners) {
      let left = ROUND;
      for (; left > 0; left--) {
        const length = this.#libc.receive(fd, this.#data, this.#name, this.#control);
        if (length < 0) break;
        this.#take(length);
      }
      more ||= left === 0;
    }
    return more;
  }

  #take(length: number): void {
    this.#dropped++;
    const from = readSocketAddress(this.#name);
    const to = readControl(this.#control);
    if (from === null || to === null) return;
    const key = keyOf(from, to);
    const until = this.#refused.get(key);
    if (until !== undefined && until > performance.now()) return this.#tell(from, to, length);
    if (!this.#takeRation()) return;
    const shown = this.#shown.get(key) ?? { count: 0, length };
    shown.count++;
    if (this.#shown.size >= MAX_REFUSED) this.#shown.delete(this.#shown.keys().next().value!);
    this.#shown.set(key, shown);
    this.#show?.({ from, to, data: Buffer.from(this.#data.subarray(0, length)) });
  }

  #tell(from: Place, to: Place, length: number): void {
    if (!this.#takeRation()) return;
    const packets = this.#packets.get(familyOf(from.address));
    // Raw sockets of IPv6 take no port.
    if (packets !== undefined && familyOf(to.address) === familyOf(from.address)) this.#libc.sendPacket(packets, portUnreachable(from, to, length), socketAddress({ ...from, port: 0 }));
  }

  #takeRation(): boolean {
    const now = performance.now();
    this.#ration = Math.min(RATION, this.#ration + ((now - this.#rationed) * RATION) / 1000);
    this.#rationed = now;
    if (this.#ration < 1) return false;
    this.#ration--;
    return true;
  }
}

function keyOf(from: Place, to: Place): string {
  return `${from.address} ${from.port} ${to.address} ${to.port}`;
}

/** What the kernel counts for our sockets, which are the only ones at that port. */
function overflows(): number {
  const port = `:${UDP_PORT.toString(16).toUpperCase().padStart(4, '0')}`;
  let count = 0;
  for (const table of ['/proc/self/net/udp', '/proc/self/net/udp6']) {
    if (!existsSync(table)) continue;
    for (const line of readFileSync(table, 'utf8').split('\n')) {
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(port)) count += Number(columns.at(-1)) || 0;
    }
  }
  return count;
}
