import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { readClientHello } from '../../../core/peek/client-hello.ts';
import { recogniseFirstBytes } from '../../../core/peek/first-bytes.ts';
import type { FuzzTarget } from '../target.ts';

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

const target: FuzzTarget = {
  name: 'ClientHello',
  inputs: hellos,
  parse(input, random) {
    readClientHello(input);
    recogniseFirstBytes(input.subarray(0, Math.floor(random() * (input.length + 1))));
    recogniseFirstBytes(input);
  },
};
export default target;
