/** Blocks of a pcapng file (draft-ietf-opsawg-pcapng), in the byte order of nearly every machine: little-endian. */
import type { PacketHead, PcapHead } from './pcap-reader.ts';

const BLOCK = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6, secrets: 10 } as const;
const BYTE_ORDER = 0x1a2b3c4d;
/** Every block's type and length in front, and its length again behind. */
const FRAME = 12;
const TLS_KEY_LOG = 0x544c534b;
const UNKNOWN_LENGTH = 0xffffffff;
const OPTION = { end: 0, userApplication: 4, name: 2, timeResolution: 9, droppedByKernel: 7 } as const;
const NANOSECONDS = 9;

const padded = (length: number): number => (length + 3) & ~3;

/** A block whose body is laid down by `lay`, from byte 8 on. */
function block(type: number, bodyLength: number, lay: (bytes: Buffer) => void): Buffer {
  const length = FRAME + padded(bodyLength);
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(length, 4);
  lay(bytes);
  bytes.writeUInt32LE(length, length - 4);
  return bytes;
}

function option(code: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + padded(value.length));
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt16LE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}

const END = option(OPTION.end, Buffer.alloc(0));

/** Begins a section; a file has at least one. */
export function sectionHeader(program: string): Buffer {
  const options = Buffer.concat([option(OPTION.userApplication, Buffer.from(program)), END]);
  return block(BLOCK.section, 16 + options.length, (bytes) => {
    bytes.writeUInt32LE(BYTE_ORDER, 8);
    bytes.writeUInt16LE(1, 12);
    bytes.writeUInt16LE(0, 14);
    bytes.writeUInt32LE(UNKNOWN_LENGTH, 16);
    bytes.writeUInt32LE(UNKNOWN_LENGTH, 20);
    options.copy(bytes, 24);
  });
}

/** Describes an interface; its number is how many of the section stand before it. Times are nanoseconds. */
export function interfaceDescription(name: string, { linkType, snapLength }: PcapHead): Buffer {
  const options = Buffer.concat([option(OPTION.name, Buffer.from(name)), option(OPTION.timeResolution, Buffer.of(NANOSECONDS)), END]);
  return block(BLOCK.interface, 8 + options.length, (bytes) => {
    bytes.writeUInt16LE(linkType, 8);
    bytes.writeUInt32LE(snapLength, 12);
    options.copy(bytes, 16);
  });
}

/** A packet whose data is yet to be put where `packetData` says. */
export function enhancedPacket(face: number, { time, captured, length }: PacketHead): Buffer {
  return block(BLOCK.packet, 20 + captured, (bytes) => {
    bytes.writeUInt32LE(face, 8);
    writeTime(bytes, time, 12);
    bytes.writeUInt32LE(captured, 20);
    bytes.writeUInt32LE(length, 24);
  });
}

export function packetData(block: Buffer): Buffer {
  return block.subarray(28, 28 + block.readUInt32LE(20));
}

/** Secrets of TLS and QUIC, as a key log has them, for packets that come after this block. */
export function decryptionSecrets(lines: string): Buffer {
  const text = Buffer.from(lines, 'latin1');
  return block(BLOCK.secrets, 8 + text.length, (bytes) => {
    bytes.writeUInt32LE(TLS_KEY_LOG, 8);
    bytes.writeUInt32LE(text.length, 12);
    text.copy(bytes, 16);
  });
}

/** Tells how many packets an interface has lost, as known at a time. */
export function interfaceStatistics(face: number, time: bigint, dropped: number): Buffer {
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(dropped));
  const options = Buffer.concat([option(OPTION.droppedByKernel, count), END]);
  return block(BLOCK.statistics, 12 + options.length, (bytes) => {
    bytes.writeUInt32LE(face, 8);
    writeTime(bytes, time, 12);
    options.copy(bytes, 20);
  });
}

/** 64 bits in two halves, of which the high one comes first. */
function writeTime(bytes: Buffer, time: bigint, at: number): void {
  bytes.writeUInt32LE(Number(time >> 32n), at);
  bytes.writeUInt32LE(Number(time & 0xffffffffn), at + 4);
}
