import assert from 'node:assert/strict';
import * as codec from 'dns-packet';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { serveDnsOverTcp } from '../../../core/dns/tcp.ts';
import { until } from '../../stage/wire.ts';
import { rig, type Reply } from './dns-rig.ts';

test('messages over TCP are served in order, in whatever pieces they come, until the client ends', async (t) => {
  const { server, records } = rig();
  const listener = createServer((socket) => void serveDnsOverTcp(server, socket, { idleMs: 300 }));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const { port } = listener.address() as AddressInfo;
  const framed = (id: number, name: string): Buffer => codec.streamEncode({ type: 'query', id, questions: [{ name, type: 'A' }] });

  const client = connect(port, '127.0.0.1');
  const received: Buffer[] = [];
  client.on('data', (chunk: Buffer) => received.push(chunk));
  const first = framed(1, 'a.example');
  client.write(first.subarray(0, 1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.write(Buffer.concat([first.subarray(1), framed(2, 'gone.example'), framed(3, 'b.example').subarray(0, 9)]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.write(framed(3, 'b.example').subarray(9));
  client.end();
  await once(client, 'close');
  let bytes = Buffer.concat(received);
  const replies: unknown[] = [];
  while (bytes.length > 0) {
    const { id, rcode } = codec.streamDecode(bytes) as unknown as Reply;
    replies.push([id, rcode]);
    bytes = bytes.subarray(2 + bytes.readUInt16BE(0));
  }
  assert.deepEqual(replies, [[1, 'NOERROR'], [2, 'NXDOMAIN'], [3, 'NOERROR']]);
  assert.deepEqual(records.map(({ dns, server: { address, port } }) => [dns!.transport, dns!.name, address, port]), ['a.example', 'gone.example', 'b.example'].map((name) => ['tcp', name, '127.0.0.1', 53]));

  const idle = connect(port, '127.0.0.1');
  const start = performance.now();
  idle.resume();
  await once(idle, 'close');
  assert(performance.now() - start < 2_000, 'an idle connection is closed');
});

test('a client that leaves while its name is looked up has one flow, aborted', async (t) => {
  const { server, records } = rig({ gate: new Promise(() => {}) });
  const listener = createServer((socket) => void serveDnsOverTcp(server, socket));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  client.write(codec.streamEncode({ type: 'query', id: 1, questions: [{ name: 'a.example', type: 'A' }] }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.resetAndDestroy();
  await until('the record', () => records.length === 1);
  assert.deepEqual(records.map(({ outcome, error, dns }) => [outcome, error!.code, dns!.name, dns!.code]), [['aborted', 'client_aborted', 'a.example', null]]);
});
