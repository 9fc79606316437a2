/** The host's part of a packet capture: tcpdump's output, and its words. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { MentuError } from '../../../core/index.ts';
import type { GuestPackets, GuestSpec, PacketsEnd } from '../engine.ts';
import { LibC } from '../libc.ts';
import { findTool } from '../tools.ts';

/** What tcpdump says when its link is taken away, which is how a capture ends. */
const LINK_GONE = 'The interface disappeared';
const WORDS_LIMIT = 4096;
/** What waits for this process, beside what waits in the kernel's ring: as much as a user may have. A pair of sockets takes a fifth of it, and the ring would fill up while this process has other things to do. */
const PIPE_SIZE = 1024 * 1024;
export const PACKETS_LINE = 'apt-get install -y tcpdump';

export class PacketStream implements GuestPackets {
  readonly stream: Readable;
  readonly ended: Promise<PacketsEnd>;
  /** Resolves when packets are taken, and rejects with `packets_unavailable` where they cannot be. */
  readonly ready: Promise<void>;
  /** What the helper gets, for tcpdump's stdout and stderr. */
  readonly ends: readonly [number, number];
  #words = '';

  private constructor(output: { read: number; write: number }, errors: { read: number; write: number }) {
    const stream = new Socket({ fd: output.read, readable: true, writable: false });
    const words = new Socket({ fd: errors.read, readable: true, writable: false });
    this.ends = [output.write, errors.write];
    this.stream = stream;
    words.setEncoding('utf8').on('data', (text: string) => (this.#words = (this.#words + text).slice(-WORDS_LIMIT)));
    words.on('error', () => undefined);
    const said = new Promise<void>((resolve) => words.once('close', () => resolve()));
    const over = new Promise<void>((resolve) => stream.on('error', () => undefined).once('close', () => resolve()));
    this.ended = Promise.all([said, over]).then(() => this.#end());
    // The head of the file is written when tcpdump listens.
    const begun = new Promise<void>((resolve) => stream.once('readable', () => resolve()));
    this.ready = Promise.race([begun, said]).then(() => {
      if (stream.readableLength === 0) throw packetsUnavailable(this.#words.trim() || 'tcpdump ended', 'See what keeps tcpdump from its work here');
    });
    this.ready.catch(() => undefined); // whoever prepares the guest awaits it
  }

  /** For a guest whose packets are wanted. */
  static async open(): Promise<PacketStream> {
    const libc = await LibC.load();
    return new PacketStream(libc.pipe(PIPE_SIZE), libc.pipe());
  }

  /** When the helper has its copies. */
  release(): void {
    for (const fd of this.ends) closeSync(fd);
  }

  /** Lets go of what nobody reads. */
  close(): void {
    if (this.stream.readableFlowing !== true) this.stream.destroy();
  }

  #end(): PacketsEnd {
    const dropped = Number(/(\d+) packets? dropped by kernel/.exec(this.#words)?.[1] ?? 0);
    return { dropped, failure: this.#words.includes(LINK_GONE) ? null : this.#words.trim() || 'tcpdump was ended' };
  }
}

/** The path of tcpdump where a guest's packets are wanted; throws `packets_unavailable`. */
export function packetTool({ packets = false }: Pick<GuestSpec, 'packets'>, find: (name: string) => string | null = findTool): string | undefined {
  if (!packets) return undefined;
  const tool = find('tcpdump');
  if (tool === null) throw packetsUnavailable('tcpdump is not found', `Install it with: ${PACKETS_LINE}`);
  return tool;
}

function packetsUnavailable(reason: string, mend: string): MentuError {
  return new MentuError('packets_unavailable', { reason, mend });
}
