/** How connections end: when nobody is there yet to be told, and when nothing is asked any more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedBuffers } from '../../../core/quic/buffers.ts';
import { LiveConnection } from '../../../core/quic/live-connection.ts';
import type { QuicMachine } from '../../../core/quic/machine.ts';
import { StreamTable } from '../../../core/quic/stream-table.ts';
import { LiveStream, type StreamHost } from '../../../core/quic/stream.ts';
import { ended } from '../../stage/quic.ts';
import { soon } from '../../stage/wire.ts';

test('a close that comes in the turn in which the handshake is complete is told', async () => {
  const peerError = { isApplication: false, code: 2, reason: 'busy' };
  const machine = { buffers: new SharedBuffers(), isEstablished: true, isClosed: false, isDraining: true, isTimedOut: false, localError: null, peerError, send: () => 0, readable: () => [], streamsLeft: () => 0, timeout: () => null } as unknown as QuicMachine;
  const connection = await new Promise<LiveConnection>((resolve) => {
    const live: LiveConnection = new LiveConnection(machine, { role: 'client', maxDatagram: 1350, send() {}, onEstablished: () => resolve(live), onFailed: () => {}, onGone: () => {} });
    live.wake();
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await soon('the end', ended(connection)), { by: 'peer', ...peerError });
  connection.leave();
});

test('a connection is busy, so kept alive, while a stream of both directions is open: the others always are', () => {
  const table = new StreamTable({ isFinished: () => true } as unknown as QuicMachine);
  const stream = (id: number): LiveStream => new LiveStream({} as StreamHost, id, true);
  const request = stream(0);
  for (const one of [stream(2), stream(6)]) table.add(one);
  assert.equal(table.isBusy, false);
  table.add(request);
  assert.equal(table.isBusy, true);
  table.leave(request);
  assert.equal(table.isBusy, false);
});
