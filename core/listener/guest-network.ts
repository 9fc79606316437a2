/** The whole network of a guest: TCP on every port, and our DNS, whose answers give each connection its name back. */
import type { Socket as UdpSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import { NameServers } from '../dns/name-servers.ts';
import { SyntheticPool } from '../dns/pool.ts';
import { DNS_PORT } from '../dns/query-flow.ts';
import { DnsServer } from '../dns/server.ts';
import { serveDnsOverTcp } from '../dns/tcp.ts';
import type { MentuError } from '../errors.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { Dialler } from '../upstream/dialler.ts';
import { UdpGate, type GuestUdp, type UdpGateOptions } from './guest-udp.ts';
import { TransparentListener, type Accept } from './transparent.ts';

/** Connections over which names are asked for, at once. */
const MAX_RESOLVING = 256;

/** Listeners inside the guest's network whose sockets carry their original destination as their local address. */
export interface GuestListeners {
  readonly tcp: readonly Server[];
  /** UDP 53. */
  readonly dns: readonly UdpSocket[];
  /** All other UDP. */
  readonly udp?: GuestUdp | undefined;
}

export interface GuestNetworkOptions {
  readonly dialler: Dialler;
  readonly recorder: FlowRecorder;
  /** Ids of connections. */
  readonly nextId: () => string;
  readonly warn: (error: MentuError) => void;
  readonly accept: Accept;
  /** How QUIC is served; left out, all UDP but DNS is refused. */
  readonly quic?: (Pick<UdpGateOptions, 'acceptQuic' | 'quic'> & { readonly isReady: boolean }) | undefined;
}

export class GuestNetwork {
  readonly #dns: DnsServer;
  readonly #nameServers: NameServers;
  readonly #listeners: TransparentListener[];
  readonly #udp: UdpGate | null;
  #resolving = 0;

  constructor({ tcp, dns, udp }: GuestListeners, { dialler, recorder, nextId, accept, quic, warn }: GuestNetworkOptions) {
    const pool = new SyntheticPool();
    this.#nameServers = new NameServers(dialler.dnsServers);
    this.#dns = new DnsServer({ dialler, pool, nameServers: this.#nameServers, recorder, nextId, warn, http3: () => quic?.isReady ?? false });
    for (const socket of dns) this.#dns.serveUdp(socket);
    const names = { nameOf: (address: string): string | null => pool.nameOf(address) ?? null };
    this.#udp = udp && quic ? new UdpGate(udp, { recorder, nextId, names, ...quic }) : null;
    this.#listeners = tcp.map((server) => {
      return new TransparentListener(server, names, (socket, destination) => {
        if (destination.port === DNS_PORT) this.#resolve(socket);
        else accept(socket, destination);
      });
    });
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
    this.#udp?.close();
    this.#dns.close();
    this.#nameServers.close();
  }

  #resolve(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#resolving >= MAX_RESOLVING) return void socket.resetAndDestroy();
    this.#resolving++;
    socket.once('close', () => this.#resolving--);
    serveDnsOverTcp(this.#dns, socket).catch(() => socket.destroy());
  }
}
