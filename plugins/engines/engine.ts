import type { Server, Socket as TcpSocket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Socket } from 'node:dgram';
import type { MentuError } from '../../core/index.ts';

/** A directory or file of the host that the guest sees. Absolute paths; `destination` is a path in the guest. */
export interface Mount {
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}

/**
 * `plane`: the whole guest network ends in listeners of ours (captured, or relayed plainly).
 * `none`: the guest has a loopback interface and nothing else.
 */
export type GuestNetwork = 'plane' | 'none';

/** What a guest may use at most. null: as much as the engine gives by itself. */
export interface GuestLimits {
  /** Processors; a fraction is a share of one where the engine can divide them. */
  readonly cpus: number | null;
  readonly memoryMiB: number | null;
}

export const NO_LIMITS: GuestLimits = { cpus: null, memoryMiB: null };

/** A TCP port on the host's loopback addresses, and the port of the guest that answers there. */
export interface PortForward {
  readonly host: number;
  readonly guest: number;
}

export interface GuestSpec {
  readonly jobId: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The profile's variables; the engine adds PATH, HOME, trust variables and so on where the profile is silent. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  readonly mounts: readonly Mount[];
  /** Names of files and folders that are masked wherever they appear inside a mount: `.mentu`, `mentu.yaml`. */
  readonly maskedNames: readonly string[];
  /** Absolute host paths that must not be visible at all (the job's directory, MENTU_HOME). Those within a mount have to exist: what is not there cannot be covered. */
  readonly hiddenPaths: readonly string[];
  readonly network: GuestNetwork;
  readonly limits: GuestLimits;
  /** Needs the plane. */
  readonly ports: readonly PortForward[];
  /** The guest's packets are wanted: `Guest.packets`. Needs the plane. An engine that cannot have them rejects with `packets_unavailable`. */
  readonly packets?: boolean | undefined;
  /** A folder of the host that is the guest's root in place of the host's /usr. Its own files never change. null: the host's /usr. */
  readonly rootfs: string | null;
  /** Variables that the root's image names; the trust variables and `env` win over them. */
  readonly imageEnv?: Readonly<Record<string, string>> | undefined;
  /** PEM of the CA certificate that the guest is to trust; null where nothing is decrypted. */
  readonly caCertificate: string | null;
  /** Descriptors of this process that become the guest's 0, 1 and 2 where it gets no terminal; by default this process's own. */
  readonly stdio?: readonly [number, number, number] | undefined;
  /** Terminal size where the guest gets a terminal of its own; null passes the host's stdin, stdout, stderr through. */
  readonly terminal: { columns: number; rows: number } | null;
}

/** What the listeners of the plane give to the capture core. They are in the guest's network; sockets accepted from them are usable here. */
export interface PlaneListeners {
  /** TCP on every port, IPv4 and IPv6; `localAddress` and `localPort` of an accepted socket are the original destination. */
  readonly tcp: readonly Server[];
  /** UDP 53; replies sent to the sender reach the guest. */
  readonly dns: readonly Socket[];
  /** All other UDP. Where nobody listens to it, it is refused. */
  readonly udp: PlaneUdp;
}

/** A socket of UDP: its address, and its port. */
export interface UdpPlace {
  readonly address: string;
  readonly port: number;
}

/** UDP that no socket of ours is open for. */
export interface PlaneUdp {
  /** Tells of each datagram, as far as there are not too many. One may listen at a time. */
  listen(onDatagram: ((data: Buffer, from: UdpPlace, to: UdpPlace) => void) | null): void;
  /** A socket in the guest's network, bound to `to` and connected to `from`, that gets what else comes of that pair. The caller closes it. */
  open(from: UdpPlace, to: UdpPlace): Promise<Socket>;
  /** Tells the guest that nobody listens there. What it sends is dropped, and so is more of it for a while. */
  refuse(from: UdpPlace, to: UdpPlace): void;
}

export interface GuestExit {
  /** As `docker run` has it: the command's own code, 126 not executable, 127 not found, 128+n ended by signal n, 125 the engine failed. */
  readonly code: number;
  /** The signal that a code above 128 stands for; a command may also exit with such a code by itself. */
  readonly signal: NodeJS.Signals | null;
  /** The memory limit ended a process of the guest, be it the command or another. */
  readonly outOfMemory?: boolean | undefined;
  /** Why the engine failed, with code 125. */
  readonly failure?: MentuError | undefined;
}

/** What the plane dropped, in packets. */
export interface PlaneDrops {
  readonly udp: number;
  readonly other: number;
}

/** The packets between a guest and its plane, as they pass. */
export interface GuestPackets {
  /**
   * A pcap file in nanoseconds, in this machine's byte order, which begins before the guest's first packet and ends with the
   * guest's `close`. What nobody reads is dropped, and the guest goes on.
   */
  readonly stream: Readable;
  /** Resolves when the stream is over. */
  readonly ended: Promise<PacketsEnd>;
}

export interface PacketsEnd {
  /** Packets that were not taken in time. */
  readonly dropped: number;
  /** Why the stream ended before the guest did, where it did. */
  readonly failure: string | null;
}

/** A guest that is prepared and whose command has not started until `run`. One guest per job. */
export interface Guest {
  readonly listeners: PlaneListeners | null;
  /** Milliseconds of each part of the way to the command's first instruction. Complete once `run` has resolved. */
  readonly boot: Readonly<Record<string, number>>;
  /** Starts the command. Resolves when it runs. */
  run(): Promise<void>;
  readonly exited: Promise<GuestExit>;
  /** Sends a signal to the command (to its foreground group where it has a terminal). */
  signal(name: NodeJS.Signals): void;
  /** The guest's terminal: bytes to and from it; null without one. */
  readonly terminal: GuestTerminal | null;
  drops(): Promise<PlaneDrops>;
  /** Null where they were not asked for. */
  readonly packets: GuestPackets | null;
  /**
   * A connection to a TCP port of the guest, from the plane's address. Both sides may go on when the other has ended.
   * Rejects with the connection's error (`ECONNREFUSED`), and where the guest has no plane.
   */
  connect(port: number): Promise<TcpSocket>;
  /** How the engine runs the guest, for the summary: `accelerator`, `kernel`. */
  readonly facts: Readonly<Record<string, string>>;
  /** What of the limits does not hold on this machine, a sentence each. */
  readonly unenforced: readonly string[];
  /** Ends what is left of the guest and leaves no process, namespace, socket or file behind. May be called more than once. */
  close(): Promise<void>;
}

export interface GuestTerminal {
  readonly input: NodeJS.WritableStream;
  readonly output: NodeJS.ReadableStream;
  resize(columns: number, rows: number): void;
}

/** One finding of `doctor`: something the engine needs, whether it is there, and the one line that mends it. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly mend?: string | undefined;
}

/** An engine isolates a command. Engines live in `plugins/engines/<name>/`; core knows none of them. */
export interface GuestEngine {
  readonly name: string;
  readonly boundary: 'namespace' | 'kernel';
  /** What is missing on this machine. Quick; starts no guest. */
  examine(): Promise<Finding[]>;
  /** Prepares a guest. Throws a `MentuError` (`engine_…`) where it cannot. */
  prepare(spec: GuestSpec): Promise<Guest>;
}
