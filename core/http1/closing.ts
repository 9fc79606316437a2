/** The two ways in which a connection is closed from our side: so that what was sent arrives, and so that it shows as broken. */
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Milliseconds that a client which still sends is read from and not listened to: since its last byte, and in all. */
const SILENCE = 5_000;
const LONGEST = 30_000;

/**
 * Ends our half after what is written. What still comes is read and dropped for a while: to close at once
 * would make a reset of it, which eats the answer on its way (RFC 9112, section 9.6).
 */
export function endAndLinger(socket: Duplex): void {
  socket.resume();
  socket.end(() => {
    if (socket.destroyed) return;
    const leave = (): void => void socket.destroy();
    const silence = setTimeout(leave, SILENCE);
    const longest = setTimeout(leave, LONGEST);
    socket.on('data', () => silence.refresh());
    socket.once('close', () => {
      clearTimeout(silence);
      clearTimeout(longest);
    });
  });
}

/** Closes so that the other side cannot take it for the end of a message: a reset, or TLS without its goodbye. */
export function breakConnection(socket: Duplex): void {
  if (socket instanceof Socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
  else socket.destroy();
}
