/** Joins two connections byte for byte, both ways, with back-pressure; each side's end is passed on. */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { Outcome } from '../record.ts';

/** Milliseconds in which the last bytes to one side must leave when the other is gone. */
const FLUSH_MS = 5_000;

export interface SpliceCounts {
  up: number;
  down: number;
}

/** How a spliced pair ended, in the words of the record. */
export interface SpliceEnd {
  readonly outcome: Outcome;
  readonly error: MentuError | null;
}

/**
 * @param host names the upstream in errors.
 * @param counts is kept up to date as bytes pass: `up` from client to upstream.
 * @param done is called once, when both sides are over.
 */
export function splice(client: Duplex, upstream: Duplex, host: string, counts: SpliceCounts, done: (end: SpliceEnd) => void): void {
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
    const closed = (): void => {
      // A side that went without saying goodbye takes the other with it; one that said it has nobody to hear more.
      if (from.readableEnded) {
        leave(to);
      } else {
        failedSide ??= side;
        to.destroy();
      }
      if (--open === 0) done(endOf(failedSide, failure, host));
    };
    // Who was gone before will not say so again.
    if (from.closed) process.nextTick(closed);
    else from.on('close', closed);
  };
  one(client, upstream, 'client', (bytes) => (counts.up += bytes));
  one(upstream, client, 'upstream', (bytes) => (counts.down += bytes));
  client.resume();
  upstream.resume();
}

/** Closes a connection once what was written to it is on its way, or will not be. */
function leave(socket: Duplex): void {
  if (socket.destroyed) return;
  const close = (): void => void socket.destroy();
  if (socket.writableFinished) return close();
  const late = setTimeout(close, FLUSH_MS);
  socket.once('finish', close);
  socket.once('close', () => clearTimeout(late));
}

function endOf(side: 'client' | 'upstream' | null, error: Error | null, host: string): SpliceEnd {
  if (side === null) return { outcome: 'completed', error: null };
  if (side === 'client') return { outcome: 'aborted', error: new MentuError('client_aborted', {}, { cause: error }) };
  return { outcome: 'failed', error: new MentuError('upstream_aborted', { host, reason: error?.message ?? 'the connection was closed' }, { cause: error }) };
}
