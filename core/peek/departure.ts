/** Notices that a client leaves while nothing is read from it: the end of a connection shows only to who reads. */
import type { Duplex } from 'node:stream';

/** Bytes that are read ahead at most; what a client sends before it has an answer is a hello and perhaps early data. */
const MAX_HELD = 256 * 1024;

/**
 * Reads on until the returned function is called; what was read stands in the socket again then, and the socket is paused.
 * @param gone is called once when the client ends or breaks off its connection before.
 */
export function watchDeparture(socket: Duplex, gone: () => void): () => void {
  const held: Buffer[] = [];
  let size = 0;
  const release = (): void => {
    socket.off('data', hold);
    socket.off('end', left);
    socket.off('close', left);
    if (socket.destroyed || socket.readableEnded) return;
    socket.pause();
    if (held.length > 0) socket.unshift(held.length === 1 ? held[0]! : Buffer.concat(held));
  };
  const hold = (chunk: Buffer): void => {
    held.push(chunk);
    size += chunk.length;
    if (size > MAX_HELD) socket.pause();
  };
  const left = (): void => {
    release();
    gone();
  };
  socket.on('data', hold);
  socket.on('end', left);
  socket.on('close', left);
  socket.resume();
  return release;
}
