/** WebSockets in streams of HTTP/3, in the hands of a test. */
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import type { ResponseHead } from '../../../core/exchange.ts';
import { Headers } from '../../../core/headers.ts';
import type { Http3Client } from '../../../core/http3/client.ts';
import { soon } from '../../stage/wire.ts';
import { clientFrame, frameOf } from '../websocket/frame-bytes.ts';

export const HI = clientFrame({ opcode: 1, payload: 'hi' });
export const HELLO = frameOf({ opcode: 1, payload: 'hello' });
export const BYE = { client: clientFrame({ opcode: 8, payload: Buffer.from([3, 232]) }), server: frameOf({ opcode: 8, payload: Buffer.from([3, 232]) }) };

export interface Opened {
  readonly head: ResponseHead;
  /** Null where the answer was no consent, and then its body is here. */
  readonly tunnel: Duplex | null;
  readonly body: string;
}

/** Asks for a WebSocket. */
export function open(client: Http3Client, protocol = 'websocket'): Promise<Opened> {
  const request = { method: 'CONNECT', scheme: 'https' as const, authority: 'api.test', path: '/chat', httpVersion: '3', headers: new Headers(['sec-websocket-version', '13', 'sec-websocket-protocol', 'chat']), hasBody: false, wantsUpgrade: true, protocol };
  const answer = new Promise<Opened>((resolve, reject) => {
    let head: ResponseHead;
    let body = '';
    client.send(request, {
      onInform() {},
      onResponse: (final) => (head = final),
      onResponseData: (chunk) => (body += String(chunk)),
      onResponseEnd: () => resolve({ head, tunnel: null, body }),
      onUpstreamError: reject,
      onUpstreamDrain() {},
      onUpgrade: (head, tunnel) => resolve({ head, tunnel, body }),
    });
  });
  return soon('the answer to an extended CONNECT', answer);
}

export async function joined(client: Http3Client): Promise<Duplex> {
  const { head, tunnel, body } = await open(client);
  assert.equal(head.status, 200, body);
  tunnel!.on('error', () => {});
  return tunnel!;
}

/** Answers one message and closes. */
export function chat(tunnel: Duplex): void {
  tunnel.once('data', () => {
    tunnel.write(HELLO);
    tunnel.end(BYE.server);
  });
}
