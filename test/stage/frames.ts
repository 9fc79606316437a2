/** HTTP/2 frames by hand (RFC 9113, section 4), with header fields as HPACK literals, so that a test may say what no library lets it say. */
import type { Wire } from './wire.ts';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const FRAME = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
const ACK = 0x1;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields that are never indexed (RFC 7541, section 6.2.3), in latin1. */
export function fields(pairs: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let left = bytes.length - 127;
  for (; left >= 128; left = left >>> 7) length.push(0x80 | (left & 0x7f));
  return Buffer.concat([Buffer.from([...length, left]), bytes]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads frames from a wire. Settings are acknowledged, and pings are not answered. */
export class FrameReader {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  async next(): Promise<Frame> {
    const head = Buffer.from(await this.#wire.takeBytes(9), 'latin1');
    const payload = Buffer.from(await this.#wire.takeBytes(head.readUIntBE(0, 3)), 'latin1');
    const read = { type: head[3]!, flags: head[4]!, stream: head.readUInt32BE(5) & 0x7fffffff, payload };
    if (read.type === FRAME.settings && (read.flags & ACK) === 0) this.#wire.write(frame(FRAME.settings, ACK, 0));
    return read;
  }

  /** The next frame of one of these types. */
  async until(...types: number[]): Promise<Frame> {
    while (true) {
      const read = await this.next();
      if (types.includes(read.type)) return read;
    }
  }
}
