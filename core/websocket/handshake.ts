/** The opening of a WebSocket: on HTTP/1.1 (RFC 6455, section 4), and in the streams of HTTP/2 and HTTP/3 (RFC 8441, RFC 9220). */
import { createHash, randomBytes } from 'node:crypto';
import type { RequestHead, ResponseHead } from '../exchange.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Whether what both sides have agreed on is a WebSocket. */
export function isWebSocket(request: RequestHead, answer: ResponseHead): boolean {
  // The answer of HTTP/1.1 says what was chosen; in a stream there is nothing to choose.
  const asked = request.protocol ?? request.headers.get('upgrade');
  return (answer.status === 101 ? answer.headers.get('upgrade') : asked)?.toLowerCase() === 'websocket';
}

/** A new `Sec-WebSocket-Key`. */
export function webSocketKey(): string {
  return randomBytes(16).toString('base64');
}

/** The `Sec-WebSocket-Accept` that answers a key. */
export function acceptanceOf(key: string): string {
  return createHash('sha1').update(key + GUID).digest('base64');
}
