import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { connect } from 'node:tls';
import { CapturedConnection } from '../../../core/flows/captured-connection.ts';
import type { ClientHello } from '../../../core/flow.ts';
import { destinationOf } from '../../../core/names/destination.ts';
import { readClientHello } from '../../../core/peek/client-hello.ts';
import { recogniseFirstBytes } from '../../../core/peek/first-bytes.ts';
import { spoken } from '../../../core/relay/alpn-memory.ts';
import { PinnedNames } from '../../../core/relay/pinned-names.ts';
import type { SessionServices } from '../../../core/relay/services.ts';
import type { Session } from '../../../core/relay/stage.ts';
import { decryptClient } from '../../../core/relay/tls-termination.ts';
import { CertificateAuthority } from '../../../core/tls/authority.ts';
import { ClientAuth } from '../../../core/tls/client-auth.ts';
import { alpn, helloBytes, serverName } from '../../core/peek/hello-bytes.ts';
import type { FuzzTarget } from '../target.ts';

/** Of the hellos that are read, those whose TLS is begun: it takes a thousand times as long. */
const SHARE = 0.02;

/** What OpenSSL says first. */
async function helloOf(options: { readonly servername: string; readonly ALPNProtocols: string[]; readonly maxVersion?: 'TLSv1.2' }): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ...options });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

const hellos = [
  await helloOf({ servername: 'api.example.com', ALPNProtocols: ['h2', 'http/1.1'] }),
  await helloOf({ servername: 'a.test', ALPNProtocols: ['http/1.1'], maxVersion: 'TLSv1.2' }),
];
for (const hello of hellos) if (typeof readClientHello(hello) === 'string') throw new Error('a hello of OpenSSL is not understood');

hellos.push(...['', Buffer.alloc(200, 0xff)].map((name) => helloBytes({ extensions: [serverName('a.test'), alpn(name)] })));

const authority = CertificateAuthority.create('fuzz');
const services = { authority, clientAuth: new ClientAuth(), pinnedNames: new PinnedNames(), keyLog: null } as unknown as SessionServices;

/** Begins to end the client's TLS, which nothing in a hello makes impossible. */
function decrypt(clientHello: ClientHello): void {
  const connection = new CapturedConnection('conn_1', { address: '127.0.0.1', port: 1 }, destinationOf('a.test', 443));
  connection.clientHello = clientHello;
  const stream = new PassThrough();
  const failures: Error[] = [];
  decryptClient({ connection, services } as unknown as Session, stream, spoken(clientHello.alpn), (...[error]) => void (error && failures.push(error)));
  if (failures.length > 0) throw failures[0];
  stream.destroy();
}

const target: FuzzTarget = {
  name: 'ClientHello',
  inputs: hellos,
  parse(input, random) {
    readClientHello(input);
    recogniseFirstBytes(input.subarray(0, Math.floor(random() * (input.length + 1))));
    const first = recogniseFirstBytes(input);
    if (first?.kind === 'tls' && (hellos.includes(input) || random() < SHARE)) decrypt(first.hello);
  },
};
export default target;
