/** DNS over TCP: each message follows its length in two bytes (RFC 7766, section 8). */
import type { Socket } from 'node:net';
import { MentuError } from '../errors.ts';
import { socketAddress } from '../names/host.ts';
import type { DnsServer } from './server.ts';

/** A connection that asks nothing for this long is closed. */
const IDLE_MS = 10_000;

export interface DnsTcpOptions {
  readonly idleMs?: number;
}

/**
 * Answers the queries of a connection one after the other until the client ends it, is idle, or breaks the framing.
 * Resolves when the connection is over; never rejects.
 */
export async function serveDnsOverTcp(server: DnsServer, socket: Socket, { idleMs = IDLE_MS }: DnsTcpOptions = {}): Promise<void> {
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => {});
  let bytes: Buffer = Buffer.alloc(0);
  try {
    // One message in work at a time, so back-pressure bounds what is held: a message and a chunk.
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        const length = bytes.readUInt16BE(0);
        const response = await answer(server, socket, bytes.subarray(2, 2 + length));
        bytes = bytes.subarray(2 + length);
        if (response === null) return;
        if (!(await write(socket, framed(response)))) return;
      }
    }
  } catch {
    // The client went away.
  } finally {
    socket.destroySoon();
  }
}

/** Null where the message gets no answer, or nobody is left to get it. */
function answer(server: DnsServer, socket: Socket, message: Buffer): Promise<Buffer | null> {
  const client = { address: socketAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
  const address = socket.localAddress === undefined ? null : socketAddress(socket.localAddress);
  return new Promise((resolve) => {
    const left = (): void => flow?.abort(new MentuError('client_aborted'));
    const flow = server.answer(message, { transport: 'tcp', client, address }, (response) => {
      socket.off('close', left);
      resolve(response);
    });
    if (flow !== null && !flow.ended) socket.once('close', left);
  });
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Resolves when the bytes are on their way; false when the connection is gone. */
function write(socket: Socket, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => socket.write(bytes, (error) => resolve(!error)));
}
