/** What host and helper say to each other over Node's IPC channel. JSON only; listeners travel as handles. */
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import type { PlaneDrops } from '../engine.ts';
import type { Tools } from '../tools.ts';
import type { Place } from './udp-packet.ts';

/** Where the helper finds the guest's stdin, stdout and stderr. Its own are not the guest's: Node may touch them. */
export const GUEST_STDIO = [4, 5, 6] as const;

/** Where the helper finds the ends of the pipes to which tcpdump writes packets and words, where packets are wanted. */
export const PACKET_STDIO = [7, 8] as const;

/** Given to the helper on its command line, so that its network can be built before the first message arrives. */
export interface HelperOptions {
  readonly tools: Tools;
  /** `host` is a test's: the guest stays in the host's network. */
  readonly network: 'plane' | 'none' | 'host';
  /** False only in tests: see ruleset.ts. */
  readonly dropUdp: boolean;
  /** The path of tcpdump, where the guest's packets are wanted. */
  readonly packets?: string | undefined;
}

/** `Start` is the engine's own description of the guest. */
export type HelperRequest<Start> =
  | { readonly id: number; readonly request: 'start'; readonly start: Start }
  | { readonly id: number; readonly request: 'run' }
  | { readonly id: number; readonly request: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly id: number; readonly request: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly id: number; readonly request: 'drops' }
  /** Answered by `connection`, or by `failure`. */
  | { readonly id: number; readonly request: 'connect'; readonly port: number }
  /** Answered by `datagrams`, or by `failure`. */
  | { readonly id: number; readonly request: 'open-udp'; readonly from: Place; readonly to: Place }
  | { readonly id: number; readonly request: 'refuse-udp'; readonly from: Place; readonly to: Place };

export interface HelperReplies {
  /** Milliseconds of each part. */
  start: Record<string, number>;
  run: Record<string, number>;
  signal: null;
  resize: null;
  drops: PlaneDrops;
  connect: Socket;
  'open-udp': DatagramSocket;
  'refuse-udp': null;
}

/** How the guest ended, as far as the helper can see: `code` is null where the engine failed, for `reason`. */
export interface HelperExit {
  readonly code: number | null;
  readonly reason: string | null;
}

export type HelperMessage =
  | { readonly message: 'reply'; readonly id: number; readonly value: unknown }
  | { readonly message: 'failure'; readonly id: number; readonly reason: string; readonly code?: string | undefined }
  /** Comes with a handle: a socket that is connected. */
  | { readonly message: 'connection'; readonly id: number }
  /** Comes with a handle: a UDP socket that is bound. */
  | { readonly message: 'datagrams'; readonly id: number }
  /** A datagram that no socket is open for; `data` in base64. */
  | { readonly message: 'datagram'; readonly from: Place; readonly to: Place; readonly data: string }
  /** Comes with a handle. `last` is true with the last of them. */
  | { readonly message: 'listener'; readonly kind: 'tcp' | 'dns'; readonly last: boolean }
  | { readonly message: 'exited'; readonly exit: HelperExit };
