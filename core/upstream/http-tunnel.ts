/** A tunnel through an HTTP proxy by CONNECT (RFC 9110, section 9.3.6). */
import type { Socket } from 'node:net';
import { hostInUrl } from '../names/host.ts';
import { readAnswer, type Parsed } from './tunnel-reader.ts';
import type { ProxyCredentials, TunnelTarget } from './tunnel-target.ts';

const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: ([^\r\n]*))?\r?\n/;
/** Interim answers before the final one that are waited for. */
const MAX_INTERIM = 8;

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Resolves when the proxy has connected the socket to the target. Rejects with the proxy's status as the message. */
export async function openHttpTunnel(socket: Socket, { host, port }: TunnelTarget, credentials: ProxyCredentials | null): Promise<void> {
  const authority = `${hostInUrl(host)}:${port}`;
  const authorization = credentials ? `Proxy-Authorization: Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}\r\n` : '';
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`);
  for (let interim = 0; interim < MAX_INTERIM; interim += 1) {
    const { status, text } = await readAnswer(socket, parseConnectAnswer);
    if (status >= 200 && status < 300) return;
    if (status >= 200) throw new Error(`it answered ${status} ${text}`.trimEnd());
  }
  throw new Error(`it answered ${MAX_INTERIM} times without a result`);
}

/** Throws where it is no answer of HTTP. */
export function parseConnectAnswer(bytes: Buffer): Parsed<Answer> | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const line = STATUS_LINE.exec(bytes.toString('latin1', 0, end + 2));
  if (!line) throw new Error('it does not answer as an HTTP proxy');
  return { value: { status: Number(line[1]), text: line[2] ?? '' }, length: end + 4 };
}
