/** Frames of a WebSocket by hand (RFC 6455, section 5.2), so that a test may say what no library lets it say. */

export interface FrameParts {
  readonly opcode: number;
  readonly payload?: Buffer | string;
  readonly fin?: boolean;
  /** The three reserved bits; 4 is RSV1. */
  readonly reserved?: number;
  readonly mask?: readonly [number, number, number, number] | null;
  /** Writes the length in this form, whatever it is. */
  readonly lengthBytes?: 0 | 2 | 8;
}

const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

/** A frame of a client: masked. */
export function clientFrame(parts: FrameParts): Buffer {
  return frameOf({ mask: MASK, ...parts });
}

/** A frame of a server. */
export function frameOf({ opcode, payload = '', fin = true, reserved = 0, mask = null, lengthBytes }: FrameParts): Buffer {
  const bytes = Buffer.from(typeof payload === 'string' ? Buffer.from(payload) : payload);
  const form = lengthBytes ?? (bytes.length < 126 ? 0 : bytes.length < 65_536 ? 2 : 8);
  const head = Buffer.alloc(2 + form);
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (mask ? 0x80 : 0) | (form === 0 ? bytes.length : form === 2 ? 126 : 127);
  if (form === 2) head.writeUInt16BE(bytes.length, 2);
  if (form === 8) head.writeBigUInt64BE(BigInt(bytes.length), 2);
  if (mask) for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i]! ^ mask[i & 3]!;
  return Buffer.concat([head, Buffer.from(mask ?? []), bytes]);
}
