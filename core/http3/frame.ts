/** Frames of HTTP/3 (RFC 9114, section 7): their types, those that no stream of a kind may carry, and how ours are written. */
import { H3, Http3ConnectionError } from './error-code.ts';
import { varintLength, varints, writeVarint } from './varint.ts';

export const FRAME = {
  data: 0x00,
  headers: 0x01,
  cancelPush: 0x03,
  settings: 0x04,
  pushPromise: 0x05,
  goaway: 0x07,
  maxPushId: 0x0d,
} as const;

/** Types that HTTP/2 has and HTTP/3 forbids (section 7.2.8). */
const OF_HTTP2: ReadonlySet<number> = new Set([0x02, 0x06, 0x08, 0x09]);
/** Types that belong on the control stream. */
const OF_CONTROL: ReadonlySet<number> = new Set([FRAME.cancelPush, FRAME.settings, FRAME.goaway, FRAME.maxPushId]);

/**
 * A reserved frame without a payload (section 7.2.8), which whoever reads passes over. It ends a message that has no bytes
 * left to end with: an end of a stream without bytes may be lost on its way.
 */
export const ENDING = Buffer.from([0x21, 0x00]);

/** DATA without a payload, which ends a tunnel likewise: no other frame has a place in one (section 4.4). */
export const TUNNEL_ENDING = Buffer.from([FRAME.data, 0x00]);

/** Throws where a request stream may not carry the type. */
export function refuseOnRequestStream(type: number, fromServer: boolean): void {
  if (type === FRAME.pushPromise && fromServer) throw new Http3ConnectionError(H3.idError, 'a push was promised that we never allowed');
  if (OF_CONTROL.has(type) || OF_HTTP2.has(type) || type === FRAME.pushPromise) throw unexpected(type);
}

/** Throws where the control stream may not carry the type. */
export function refuseOnControlStream(type: number): void {
  if (type === FRAME.data || type === FRAME.headers || type === FRAME.pushPromise || OF_HTTP2.has(type)) throw unexpected(type);
}

export function unexpected(type: number): Http3ConnectionError {
  return new Http3ConnectionError(H3.frameUnexpected, `a frame of type 0x${type.toString(16)} has no place here`);
}

/** The first bytes of a DATA frame, before as many as it holds. */
export function dataHeader(size: number): Buffer {
  const header = Buffer.allocUnsafe(1 + varintLength(size));
  header[0] = FRAME.data;
  writeVarint(size, header, 1);
  return header;
}

export function goawayFrame(id: number): Buffer {
  return Buffer.concat([Buffer.from([FRAME.goaway, varintLength(id)]), varints(id)]);
}
