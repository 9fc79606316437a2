/** A TLS connection to an origin, through a CONNECT proxy or straight; HTTP/1.1 on top of it, or what else is asked for. */
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { HOST } from './origin.ts';

/** Opens the connection; whoever is measured has a CA of its own, which is none of the measurement. */
export async function openTunnel(proxyPort: number | null, originPort: number, protocol: 'http/1.1' | 'h2' = 'http/1.1'): Promise<TLSSocket> {
  const socket = connect(proxyPort ?? originPort, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  if (proxyPort !== null) await askFor(socket, `${HOST}:${originPort}`);
  const tls = connectTls({ socket, servername: HOST, rejectUnauthorized: false, ALPNProtocols: [protocol] });
  await once(tls, 'secureConnect');
  if (protocol === 'h2' && tls.alpnProtocol !== 'h2') throw new Error('HTTP/2 was not agreed upon');
  return tls;
}

/** An agent whose requests go one after the other over this connection. */
export function agentOver(connection: TLSSocket): Agent {
  return Object.assign(new Agent({ keepAlive: true, maxSockets: 1 }), { createConnection: () => connection });
}

async function askFor(socket: Socket, authority: string): Promise<void> {
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  let head = '';
  while (!head.includes('\r\n\r\n')) head += String((await once(socket, 'data'))[0]);
  if (!/^HTTP\/1\.[01] 200 /.test(head)) throw new Error(`the proxy answered CONNECT with ${head.split('\r\n')[0]}`);
}
