/** Joins two connections byte for byte, both ways, with back-pressure; each side's end is passed on. */
import type { Duplex } from 'node:stream';

export interface SpliceCounts {
  up: number;
  down: number;
}

/**
 * @param counts is kept up to date as bytes pass: `up` from client to upstream.
 * @param done is called once, when both sides are over; with the error that ended them, if one did.
 */
export function splice(client: Duplex, upstream: Duplex, counts: SpliceCounts, done: (side: 'client' | 'upstream' | null, error: Error | null) => void): void {
  let open = 2;
  let failedSide: 'client' | 'upstream' | null = null;
  let failure: Error | null = null;
  const one = (from: Duplex, to: Duplex, side: 'client' | 'upstream', count: (bytes: number) => void): void => {
    from.on('data', (chunk: Buffer) => {
      count(chunk.length);
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('end', () => to.end());
    from.on('error', (error: Error) => {
      failedSide ??= side;
      failure ??= error;
    });
    from.on('close', () => {
      // A side that went without saying goodbye takes the other with it.
      if (!from.readableEnded) {
        failedSide ??= side;
        to.destroy();
      }
      if (--open === 0) done(failedSide, failure);
    });
  };
  one(client, upstream, 'client', (bytes) => (counts.up += bytes));
  one(upstream, client, 'upstream', (bytes) => (counts.down += bytes));
  client.resume();
  upstream.resume();
}
