/** Reads a pcap file as it comes (the classic format, in nanoseconds), chunk by chunk. */

const MAGIC = 0xa1b23c4d;
const FILE_HEAD = 24;
const PACKET_HEAD = 16;
/** The longest packet that is taken for one; tcpdump's own limit. */
const LONGEST = 262_144;
const SECOND = 1_000_000_000n;

export interface PcapHead {
  /** As registered for LINKTYPE: 1 is Ethernet. */
  readonly linkType: number;
  /** Bytes of a packet that are captured at most. */
  readonly snapLength: number;
}

export interface Packet {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** What was captured of it: a view into the chunks that were pushed. */
  readonly data: Buffer;
  /** How long it was. */
  readonly length: number;
}

export interface PcapTaker {
  head(head: PcapHead): void;
  packet(packet: Packet): void;
}

export class PcapReader {
  readonly #taker: PcapTaker;
  #rest: Buffer = Buffer.alloc(0);
  #begun = false;

  constructor(taker: PcapTaker) {
    this.#taker = taker;
  }

  /** Throws where the bytes are no such file. What is left of an unfinished packet waits for the next chunk. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = this.#begun ? 0 : this.#head(bytes);
    while (this.#begun && bytes.length - at >= PACKET_HEAD) {
      const captured = bytes.readUInt32LE(at + 8);
      if (captured > LONGEST) throw new Error(`a packet of ${captured} bytes`);
      const end = at + PACKET_HEAD + captured;
      if (bytes.length < end) break;
      const time = BigInt(bytes.readUInt32LE(at)) * SECOND + BigInt(bytes.readUInt32LE(at + 4));
      this.#taker.packet({ time, data: bytes.subarray(at + PACKET_HEAD, end), length: bytes.readUInt32LE(at + 12) });
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }

  #head(bytes: Buffer): number {
    if (bytes.length < FILE_HEAD) return 0;
    if (bytes.readUInt32LE(0) !== MAGIC) throw new Error('it is no pcap file in nanoseconds and this byte order');
    this.#begun = true;
    this.#taker.head({ linkType: bytes.readUInt32LE(20) & 0xffff, snapLength: bytes.readUInt32LE(16) });
    return FILE_HEAD;
  }
}
