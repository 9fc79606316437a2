/** Integers of variable length (RFC 9000, section 16). Those beyond 2^53 lose their last bits, which matters to nothing here. */

/** Bytes of the integer that begins with this byte. */
export function varintSize(first: number): number {
  return 1 << (first >>> 6);
}

/** Reads one whose bytes are all there. */
export function readVarint(source: Buffer, at: number): number {
  const first = source[at]!;
  switch (first >>> 6) {
    case 0:
      return first;
    case 1:
      return ((first & 0x3f) << 8) | source[at + 1]!;
    case 2:
      return source.readUInt32BE(at) & 0x3fffffff;
    default:
      return (source.readUInt32BE(at) & 0x3fffffff) * 0x1_0000_0000 + source.readUInt32BE(at + 4);
  }
}

/** Writes a value below 2^30 and returns where it ends. */
export function writeVarint(value: number, target: Buffer, at: number): number {
  if (value < 0x40) {
    target[at] = value;
    return at + 1;
  }
  if (value < 0x4000) {
    target[at] = 0x40 | (value >>> 8);
    target[at + 1] = value & 0xff;
    return at + 2;
  }
  return target.writeUInt32BE((value | 0x80000000) >>> 0, at);
}

export function varintLength(value: number): number {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : 4;
}

/** Several of them in a row. */
export function varints(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  let at = 0;
  for (const value of values) at = writeVarint(value, bytes, at);
  return bytes.subarray(0, at);
}
