/** 1 GiB through a WebSocket, each way: the same bytes on the other side and in the record, in less than 100 MiB more of memory. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { WebSocketServer, type WebSocket } from 'ws';
import type { WebSocketMessage } from '../../core/index.ts';
import { GUEST_WS } from './stage/chat.ts';
import { GUEST_NODE, Stage } from './stage/stage.ts';
import { digestOf, keystream, measuredJob } from './stage/transfer.ts';
import { flowsOf } from './stage/workspace.ts';

const MIB = 1024 * 1024;
const SIZE = Number(process.env['TRANSFER_MIB'] ?? 1024) * MIB;
const GROWTH_MIB = 100;
let stage: Stage;
let server: Server;

/** `/down/SIZE` pours, `/up/SIZE` takes and answers with the sum. */
async function serve(socket: WebSocket, url: string): Promise<void> {
  const [, direction, size] = url.split('/');
  if (direction === 'up') {
    const hash = createHash('sha256');
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) hash.update(data);
      else socket.send(hash.digest('hex'));
    });
    return;
  }
  for (const chunk of keystream(Number(size))) await new Promise((resolve) => socket.send(Buffer.from(chunk), resolve));
  socket.close(1000);
}

before(async () => {
  stage = await Stage.open();
  server = createServer();
  new WebSocketServer({ server, maxPayload: 2 * MIB }).on('connection', (socket, request) => void serve(socket, request.url!));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stage.profile({ hosts: { 'ws.demo.test': `127.0.0.1:${(server.address() as AddressInfo).port}` }, mounts: [GUEST_WS] });
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await stage.close();
});

for (const direction of ['up', 'down'] as const) {
  test(`${SIZE / MIB} MiB ${direction}`, { timeout: 400_000 }, async (t) => {
    const pour = `${GUEST_NODE} /guest/pour.mjs ws://ws.demo.test`;
    const script = `${pour} 1 ${direction}; echo ready; read _; ${pour} ${SIZE} ${direction}; echo done; read _`;
    const { stdout, stderr, growth } = await measuredJob(stage, ['bash', '-c', script], 300_000);
    const digest = digestOf(SIZE);
    assert.equal(stdout.split('\n')[2], digest, stdout + stderr);
    const folder = stage.workspace.latest;
    const flow = flowsOf(folder).filter(({ kind }) => kind === 'websocket').at(-1)!;
    const { websocket, bytes } = flow;
    assert.deepEqual([flow.outcome, websocket!.fault, websocket!.close?.code], ['completed', null, 1000]);
    assert.ok(bytes[direction] >= SIZE && bytes[direction] < SIZE * 1.001);
    const hash = createHash('sha256');
    for await (const line of createInterface(createReadStream(join(folder, websocket!.messages_file!)))) {
      const { opcode, data } = JSON.parse(line) as WebSocketMessage;
      if (opcode === 'binary') hash.update(Buffer.from(data!, 'base64'));
    }
    assert.equal(hash.digest('hex'), digest, 'the record has them too');
    rmSync(folder, { recursive: true });
    t.diagnostic(`peak of resident memory above the start: ${growth.toFixed(0)} MiB`);
    assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
  });
}
