/** A server of gRPC by @grpc/grpc-js, over TLS on loopback. Messages are bytes; what they mean is text. */
import { Server, ServerCredentials, status, type ServerDuplexStream, type ServerReadableStream, type ServerUnaryCall, type ServerWritableStream, type ServiceDefinition, type UntypedHandleCall, type sendUnaryData } from '@grpc/grpc-js';
import type { ServerIdentity } from './certificates.ts';

const bytes = (message: Buffer): Buffer => message;
/** A method whose messages are bytes. */
export const grpcMethod = (path: string, requestStream: boolean, responseStream: boolean) => ({ path, requestStream, responseStream, requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes });
const method = (name: string, requestStream: boolean, responseStream: boolean) => grpcMethod(`/demo.Echo/${name}`, requestStream, responseStream);

const DEFINITION: ServiceDefinition = {
  unary: method('Unary', false, false),
  server: method('Server', false, true),
  client: method('Client', true, false),
  bidirectional: method('Bidirectional', true, true),
  early: method('Early', true, true),
  fails: method('Fails', false, false),
  slow: method('Slow', false, true),
};

export class GrpcOrigin {
  readonly address: string;
  /** Calls that reached it, by their methods; and those that were cancelled. */
  readonly calls: string[] = [];
  readonly cancelled: string[] = [];
  readonly #server: Server;

  private constructor(server: Server, port: number, calls: string[], cancelled: string[]) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
    this.calls = calls;
    this.cancelled = cancelled;
  }

  /** @param more methods beside those of the echo. */
  static async open(identity: ServerIdentity, more: { definition: ServiceDefinition; handlers: Record<string, UntypedHandleCall> } = { definition: {}, handlers: {} }): Promise<GrpcOrigin> {
    const calls: string[] = [];
    const cancelled: string[] = [];
    const noted = (call: { getPath(): string; on(event: 'cancelled', listener: () => void): unknown }): void => {
      calls.push(call.getPath());
      call.on('cancelled', () => cancelled.push(call.getPath()));
    };
    const server = new Server({ 'grpc.max_receive_message_length': -1 });
    server.addService({ ...DEFINITION, ...more.definition }, {
      unary(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
        noted(call);
        done(null, Buffer.from(`${call.request} back`));
      },
      server(call: ServerWritableStream<Buffer, Buffer>) {
        noted(call);
        for (let at = 0; at < Number(call.request); at++) call.write(Buffer.from(String(at)));
        call.end();
      },
      client(call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
        noted(call);
        let all = '';
        call.on('data', (message: Buffer) => (all += message));
        call.on('end', () => done(null, Buffer.from(all)));
      },
      bidirectional(call: ServerDuplexStream<Buffer, Buffer>) {
        noted(call);
        call.on('data', (message: Buffer) => call.write(message));
        call.on('end', () => call.end());
      },
      early(call: ServerDuplexStream<Buffer, Buffer>) {
        noted(call);
        call.once('data', () => {
          call.write(Buffer.from('enough'));
          call.end();
        });
      },
      fails(call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
        noted(call);
        done({ code: status.NOT_FOUND, details: 'no such thing: größe 100%' });
      },
      slow(call: ServerWritableStream<Buffer, Buffer>) {
        noted(call);
        call.write(Buffer.from('first'));
      },
      ...more.handlers,
    });
    const credentials = ServerCredentials.createSsl(null, [{ private_key: Buffer.from(identity.key), cert_chain: Buffer.from(identity.cert) }]);
    const port = await new Promise<number>((resolve, reject) => server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))));
    return new GrpcOrigin(server, port, calls, cancelled);
  }

  close(): void {
    this.#server.forceShutdown();
  }
}
