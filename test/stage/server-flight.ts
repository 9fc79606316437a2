/** What a real server says in a handshake, as it goes over the wire. */
import { once } from 'node:events';
import { connect as connectPlain, createServer as createPlain, type AddressInfo } from 'node:net';
import { connect, createServer, type ConnectionOptions, type TlsOptions } from 'node:tls';

export interface CapturedFlight {
  readonly bytes: Buffer;
  /** What OpenSSL told of the client's keys, line by line. */
  readonly keys: readonly string[];
}

/** A whole handshake between Node and Node; of the server's side all that came until the client held it for done. */
export async function serverFlight(server: TlsOptions, client: ConnectionOptions = {}): Promise<CapturedFlight> {
  const origin = createServer(server, (socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  origin.on('tlsClientError', () => {});
  await once(origin, 'listening');
  const chunks: Buffer[] = [];
  const between = createPlain((socket) => {
    const upstream = connectPlain((origin.address() as AddressInfo).port, '127.0.0.1');
    upstream.on('data', (chunk: Buffer) => chunks.push(chunk));
    upstream.pipe(socket).pipe(upstream);
    for (const end of [socket, upstream]) end.on('error', () => {});
    socket.on('close', () => upstream.destroy());
  }).listen(0, '127.0.0.1');
  await once(between, 'listening');
  const tls = connect({ port: (between.address() as AddressInfo).port, host: '127.0.0.1', servername: 'api.test', rejectUnauthorized: false, ...client });
  const keys: string[] = [];
  tls.on('keylog', (line: Buffer) => keys.push(line.toString()));
  tls.on('error', () => {});
  await once(tls, 'secureConnect');
  tls.destroy();
  between.close();
  origin.close();
  return { bytes: Buffer.concat(chunks), keys };
}
