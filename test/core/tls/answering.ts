/** An origin over TLS that answers each request. */
import type { TLSSocket, TlsOptions } from 'node:tls';
import { Origin } from '../../stage/origin.ts';

export const GET = 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n';
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Answers each request, and tells of each connection whether it resumed a session. */
export async function answering(seen: boolean[] = [], options: TlsOptions = {}): Promise<Origin> {
  return Origin.rawTls((socket) => {
    seen.push((socket as TLSSocket).isSessionReused());
    socket.on('data', () => socket.write(OK));
  }, options);
}
