/** The part of QUIC packets that is in the clear: long headers (RFC 9000, section 17.2; RFC 8999 for any version). */

export const QUIC_V1 = 1;
/** RFC 9369. */
export const QUIC_V2 = 0x6b3343cf;
const MAX_CONNECTION_ID = 20;
const LONG_HEADER = 0x80;
const FIXED_BIT = 0x40;

export type LongPacketType = 'initial' | '0rtt' | 'handshake' | 'retry';
const TYPES: Readonly<Record<number, readonly LongPacketType[]>> = {
  [QUIC_V1]: ['initial', '0rtt', 'handshake', 'retry'],
  [QUIC_V2]: ['retry', 'initial', '0rtt', 'handshake'],
};

/** What every version of QUIC shows. */
export interface InvariantHeader {
  readonly version: number;
  readonly dcid: Buffer;
  readonly scid: Buffer;
  /** Where the connection ids end. */
  readonly end: number;
}

/** A packet of a version that we read; offsets in the datagram. */
export interface LongPacket extends InvariantHeader {
  readonly type: LongPacketType;
  readonly start: number;
  readonly token: Buffer;
  /** Where the protected packet number begins. */
  readonly numberAt: number;
}

export function isLongHeader(datagram: Buffer): boolean {
  return datagram.length > 0 && (datagram[0]! & LONG_HEADER) !== 0;
}

/** Null where the bytes at `start` are no long header. */
export function readInvariantHeader(datagram: Buffer, start = 0): InvariantHeader | null {
  if (datagram.length < start + 7 || (datagram[start]! & LONG_HEADER) === 0) return null;
  const version = datagram.readUInt32BE(start + 1);
  const dcidEnd = start + 6 + datagram[start + 5]!;
  if (dcidEnd >= datagram.length) return null;
  const end = dcidEnd + 1 + datagram[dcidEnd]!;
  if (end > datagram.length) return null;
  return { version, dcid: datagram.subarray(start + 6, dcidEnd), scid: datagram.subarray(dcidEnd + 1, end), end };
}

/** Null where no packet of version 1 or 2 begins at `start`, or it is not whole. A retry packet has nothing behind its ids here. */
export function readLongPacket(datagram: Buffer, start = 0): LongPacket | null {
  const head = readInvariantHeader(datagram, start);
  const types = head && TYPES[head.version];
  if (!types || (datagram[start]! & FIXED_BIT) === 0) return null;
  if (head.dcid.length > MAX_CONNECTION_ID || head.scid.length > MAX_CONNECTION_ID) return null;
  const type = types[(datagram[start]! >> 4) & 3]!;
  let at = head.end;
  let token = datagram.subarray(at, at);
  if (type === 'retry') return { ...head, type, start, token, numberAt: at };
  if (type === 'initial') {
    const size = readVarint(datagram, at);
    if (size === null || size.value > datagram.length - size.end) return null;
    token = datagram.subarray(size.end, size.end + size.value);
    at = size.end + size.value;
  }
  const length = readVarint(datagram, at);
  if (length === null || length.value > datagram.length - length.end) return null;
  return { ...head, type, start, token, numberAt: length.end, end: length.end + length.value };
}

/** A variable-length integer (RFC 9000, section 16), and where it ends; null where it is not whole or no safe number. */
export function readVarint(bytes: Buffer, at: number): { readonly value: number; readonly end: number } | null {
  if (at >= bytes.length) return null;
  const size = 1 << (bytes[at]! >> 6);
  if (at + size > bytes.length) return null;
  let value = bytes[at]! & 0x3f;
  for (let i = 1; i < size; i++) value = value * 256 + bytes[at + i]!;
  return Number.isSafeInteger(value) ? { value, end: at + size } : null;
}
