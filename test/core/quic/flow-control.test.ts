/** Streams that are not read to their end, and what is left of their connection. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { QuicConnection, QuicStream } from '../../../core/quic/connection.ts';
import type { LiveConnection } from '../../../core/quic/live-connection.ts';
import { connectTo, exchange, openEndpoint } from '../../stage/quic.ts';
import { soon } from '../../stage/wire.ts';

const SIZE = 2_000_000;
const QUIET = { onData() {}, onEnd() {}, onReset() {}, onStopSending() {}, onDrain() {} };

/** A connection to a server that answers every stream with as much. */
async function downloads(t: TestContext): Promise<QuicConnection> {
  const answer = (stream: QuicStream): void => {
    stream.attach(QUIET);
    stream.end(Buffer.alloc(SIZE, 65));
  };
  const stage = await openEndpoint(t, { onConnection: (connection) => connection.attach({ onStream: answer, onStreamsAllowed() {}, onClose() {} }) });
  const { connection } = await connectTo(stage, stage.port);
  t.after(() => connection.close(0, ''));
  return connection;
}

/** Asks, and reads nothing but the first bytes. */
async function unread(connection: QuicConnection): Promise<QuicStream> {
  const stream = connection.open('bidirectional')!;
  await soon('the first bytes', new Promise<void>((resolve) => {
    const onData = (): void => {
      stream.pause();
      resolve();
    };
    stream.attach({ ...QUIET, onData });
    stream.end(Buffer.from('?'));
  }));
  return stream;
}

test('a download that is broken off while it waits takes nothing of what others may send', async (t) => {
  const connection = await downloads(t);
  for (let i = 0; i < 10; i++) {
    const stream = await unread(connection);
    await sleep(20);
    stream.stopReading(0x10c);
  }
  for (let i = 0; i < 3; i++) assert.equal((await soon('a whole download', exchange(connection.open('bidirectional')!, Buffer.from('?')))).length, SIZE);
});

test('while nobody reads, nothing is sent', async (t) => {
  const connection = (await downloads(t)) as LiveConnection;
  await Promise.all(Array.from({ length: 8 }, () => unread(connection)));
  // They hold all that the connection may send, so these get none of it.
  for (let i = 0; i < 4; i++) connection.open('bidirectional')!.end(Buffer.from('?'));
  await sleep(500);
  let heard = 0;
  const receive = connection.receive.bind(connection);
  connection.receive = (datagram) => {
    heard++;
    receive(datagram);
  };
  await sleep(300);
  assert.ok(heard < 20, `${heard} datagrams`);
});
