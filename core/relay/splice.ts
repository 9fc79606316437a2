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

/** Watches what passes between a spliced pair. */
export interface SpliceTap {
  /** Takes each chunk as it is forwarded. False asks for a pause of its source until `onDrain` is called for that side. */
  pass(from: 'client' | 'server', chunk: Buffer): boolean;
  /** Set by the splice. */
  onDrain: ((from: 'client' | 'server') => void) | null;
}

/** Why a source is paused. */
const HELD_BY_PEER = 1;
const HELD_BY_TAP = 2;

/** How a spliced pair ended, in the words of the record. */
export interface SpliceEnd {
  readonly outcome: Outcome;
  readonly error: MentuError | null;
}

/**
 * @param host names the upstream in errors.
 * @param counts is kept up to date as bytes pass: `up` from client to upstream.
 * @param done is called once, when both sides are over.
 * @param tap sees each chunk; null where nobody watches.
 * @returns parts the two again: nothing more passes, both are paused, and `done` is not called. A chunk that a tap is seeing still passes.
 */
export function splice(client: Duplex, upstream: Duplex, host: string, counts: SpliceCounts, done: (end: SpliceEnd) => void, tap: SpliceTap | null = null): () => void {
  const parting: (() => void)[] = [];
  let open = 2;
  let failedSide: 'client' | 'upstream' | null = null;
  let failure: Error | null = null;
  const released = { client: (): void => {}, server: (): void => {} };
  if (tap) tap.onDrain = (from) => released[from]();
  const one = (from: Duplex, to: Duplex, side: 'client' | 'upstream', count: (bytes: number) => void): void => {
    const sender = side === 'client' ? 'client' : 'server';
    let held = 0;
    const release = (reason: number): void => {
      if (held === 0) return;
      held &= ~reason;
      if (held === 0) from.resume();
    };
    released[sender] = () => release(HELD_BY_TAP);
    const on = (stream: Duplex, event: string, listener: (...args: any[]) => void): void => {
      stream.on(event, listener);
      parting.push(() => stream.off(event, listener));
    };
    on(from, 'data', (chunk: Buffer) => {
      count(chunk.length);
      if (tap && !tap.pass(sender, chunk)) held |= HELD_BY_TAP;
      if (!to.write(chunk)) held |= HELD_BY_PEER;
      if (held !== 0) from.pause();
    });
    on(to, 'drain', () => release(HELD_BY_PEER));
    on(from, 'end', () => to.end());
    // Stays: an error between two uses must not end the process.
    let broken: Error | null = null;
    from.on('error', (error: Error) => (broken ??= error));
    const closed = (): void => {
      // A client that has heard the last of its server may leave as it likes.
      const isContent = side === 'client' && to.readableEnded && from.writableLength === 0;
      if (!isContent && (broken !== null || !from.readableEnded)) {
        failedSide ??= side;
        failure ??= broken;
      }
      // A side that went without saying goodbye takes the other with it; one that said it has nobody to hear more.
      if (from.readableEnded) leave(to);
      else to.destroy();
      if (--open === 0) done(endOf(failedSide, failure, host));
    };
    // Who was gone before, or had ended, will not say so again.
    if (from.closed) process.nextTick(closed);
    else on(from, 'close', closed);
    if (from.readableEnded) to.end();
  };
  one(client, upstream, 'client', (bytes) => (counts.up += bytes));
  one(upstream, client, 'upstream', (bytes) => (counts.down += bytes));
  client.resume();
  upstream.resume();
  return () => {
    for (const part of parting) part();
    client.pause();
    upstream.pause();
  };
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
