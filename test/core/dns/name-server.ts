/** A foreign DNS server on loopback: dns-packet's codec, UDP and TCP on one port, answers from a table. */
import * as codec from 'dns-packet';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

export interface Asked {
  readonly packet: codec.DecodedPacket & { readonly flag_cd: boolean; readonly flag_ad: boolean };
  readonly transport: 'udp' | 'tcp';
}

/** What it answers to a question; null: nothing. */
export type Answering = (asked: Asked, bytes: Buffer) => object | Buffer | readonly Buffer[] | null;

export interface NameServer extends AsyncDisposable {
  readonly address: string;
  readonly asked: Asked[];
}

export async function nameServer(answering: Answering): Promise<NameServer> {
  const asked: Asked[] = [];
  const answersTo = (bytes: Buffer, transport: 'udp' | 'tcp'): readonly Buffer[] => {
    const packet = codec.decode(bytes) as Asked['packet'];
    asked.push({ packet, transport });
    const answer = answering(asked.at(-1)!, bytes);
    if (answer === null) return [];
    if (Array.isArray(answer)) return answer as Buffer[];
    if (Buffer.isBuffer(answer)) return [answer];
    const { flags = 0, ...sections } = answer as { flags?: number };
    return [codec.encode({ type: 'response', id: packet.id!, flags: codec.RECURSION_DESIRED | codec.RECURSION_AVAILABLE | flags, questions: packet.questions!, ...sections })];
  };
  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const answer of answersTo(chunk.subarray(2), 'tcp')) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        // In pieces, as it may come.
        socket.write(length.subarray(0, 1));
        setTimeout(() => socket.write(Buffer.concat([length.subarray(1), answer])), 5);
      }
    });
  });
  const udp = createSocket('udp4');
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  udp.on('message', (message: Buffer, peer: RemoteInfo) => {
    for (const answer of answersTo(message, 'udp')) udp.send(answer, peer.port, peer.address);
  });
  return {
    address: `127.0.0.1:${port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
    },
  };
}
