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

export interface PacketHead {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** Bytes of it that were captured. */
  readonly captured: number;
  /** How long it was. */
  readonly length: number;
}

export interface PcapTaker {
  head(head: PcapHead): void;
  /** Gives the room, of `captured` bytes, into which the packet is to be copied. */
  packet(head: PacketHead): Buffer;
  /** The packet is there as a whole. */
  complete(): void;
}

/** What the next bytes are. */
type Part = 'file' | 'head' | 'packet';

export class PcapReader {
  readonly #taker: PcapTaker;
  readonly #head = Buffer.alloc(Math.max(FILE_HEAD, PACKET_HEAD));
  #part: Part = 'file';
  /** What is being filled, and how far it is. */
  #room: Buffer = this.#head.subarray(0, FILE_HEAD);
  #filled = 0;

  constructor(taker: PcapTaker) {
    this.#taker = taker;
  }

  /** Throws where the bytes are no such file. Each byte is copied once. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(this.#room, this.#filled, at);
      at += copied;
      this.#filled += copied;
      while (this.#filled === this.#room.length) this.#next();
    }
  }

  #next(): void {
    if (this.#part === 'packet') this.#taker.complete();
    else if (this.#part === 'file') this.#begin();
    else return this.#expect('packet', this.#open());
    this.#expect('head', this.#head.subarray(0, PACKET_HEAD));
  }

  #expect(part: Part, room: Buffer): void {
    this.#part = part;
    this.#room = room;
    this.#filled = 0;
  }

  #begin(): void {
    if (this.#head.readUInt32LE(0) !== MAGIC) throw new Error('it is no pcap file in nanoseconds and this byte order');
    this.#taker.head({ linkType: this.#head.readUInt32LE(20) & 0xffff, snapLength: this.#head.readUInt32LE(16) });
  }

  #open(): Buffer {
    const captured = this.#head.readUInt32LE(8);
    if (captured > LONGEST) throw new Error(`a packet of ${captured} bytes`);
    const time = BigInt(this.#head.readUInt32LE(0)) * SECOND + BigInt(this.#head.readUInt32LE(4));
    return this.#taker.packet({ time, captured, length: this.#head.readUInt32LE(12) });
  }
}
