/** An origin that sends each message back: WebSockets on one port, bidirectional gRPC calls on another. As a program it tells its ports. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { OriginFiles } from '../certificates.ts';
import { ServerProcess } from '../server-process.ts';

export const ECHO_METHOD = '/bench.Echo/Echo';
export const MESSAGE = JSON.stringify({ type: 'message', text: 'x'.repeat(100) });

export interface EchoOrigin {
  readonly websocketPort: number;
  readonly grpcPort: number;
  readonly process: ServerProcess;
}

export async function startEchoOrigin(directory: string, files: OriginFiles): Promise<EchoOrigin> {
  const process = new ServerProcess({ name: 'echo origin', command: globalThis.process.execPath, args: ['--no-warnings', fileURLToPath(import.meta.url), files.certificate, files.key], cwd: directory });
  const [, websocket, grpc] = await process.said(/^websocket (\d+) grpc (\d+)$/m);
  return { websocketPort: Number(websocket), grpcPort: Number(grpc), process };
}

async function serve(certificate: Buffer, key: Buffer): Promise<void> {
  const { WebSocketServer } = await import('ws');
  const { Server, ServerCredentials } = await import('@grpc/grpc-js');
  const web = createServer({ cert: certificate, key, noDelay: true });
  new WebSocketServer({ server: web, perMessageDeflate: false }).on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  const grpc = new Server();
  const bytes = (data: Buffer): Buffer => data;
  const definition = { path: ECHO_METHOD, requestStream: true, responseStream: true, requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  grpc.addService({ Echo: definition }, {
    Echo: (call: NodeJS.ReadableStream & NodeJS.WritableStream) => {
      call.on('error', () => {});
      call.on('data', (message: Buffer) => call.write(message));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [{ cert_chain: certificate, private_key: key }]), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  process.stdout.write(`websocket ${(web.address() as AddressInfo).port} grpc ${port}\n`);
}

if (import.meta.main) await serve(readFileSync(process.argv[2]!), readFileSync(process.argv[3]!));
