/** Capture files by hand: pcap as tcpdump writes it, and the blocks of a pcapng file. */

/** Nanoseconds since 1970, and the packet. */
export type Taken = readonly [time: bigint, data: Buffer];

export function pcapHead(magic = 0xa1b23c4d, linkType = 1): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(magic, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(262_144, 16);
  head.writeUInt32LE(linkType, 20);
  return head;
}

export function pcapPacket([time, data]: Taken, length = data.length): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(Number(time / 1_000_000_000n), 0);
  head.writeUInt32LE(Number(time % 1_000_000_000n), 4);
  head.writeUInt32LE(data.length, 8);
  head.writeUInt32LE(length, 12);
  return Buffer.concat([head, data]);
}

/** An Ethernet frame with a UDP datagram over IPv4. */
export function frame(payload: string): Buffer {
  const data = Buffer.from(payload);
  const head = Buffer.from('026d656e7401026d656e740208004500000000000000401100000a0000010a00000230390009', 'hex');
  head.writeUInt16BE(28 + data.length, 16);
  const udp = Buffer.alloc(4);
  udp.writeUInt16BE(8 + data.length, 0);
  return Buffer.concat([head, udp, data]);
}

export interface Block {
  readonly type: 'section' | 'interface' | 'packet' | 'secrets' | 'statistics';
  readonly body: Buffer;
}

const NAMES: Readonly<Record<number, Block['type']>> = { 0x0a0d0d0a: 'section', 1: 'interface', 6: 'packet', 10: 'secrets', 5: 'statistics' };

/** Throws where the lengths of a block disagree. */
export function blocksOf(file: Buffer): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < file.length; ) {
    const length = file.readUInt32LE(at + 4);
    const type = NAMES[file.readUInt32LE(at)];
    if (type === undefined || length % 4 !== 0 || length < 12 || file.readUInt32LE(at + length - 4) !== length) throw new Error(`no block at ${at}`);
    blocks.push({ type, body: file.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
}

/** The text of a block of secrets. */
export function secretsOf({ body }: Block): string {
  return body.toString('latin1', 8, 8 + body.readUInt32LE(4));
}
