/** 2,000 WebSockets at once, with compression, through the proxy in its own process: all are recorded, and what each takes is told. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { soon } from '../stage/wire.ts';
import { ProxyProcess } from './stage/proxy-process.ts';
import { Stage } from './stage/stage.ts';

const COUNT = 2000;
const AT_ONCE = 50;
const SAID = 5;
let stage: Stage;
let server: Server;
let open = 0;

before(async () => {
  stage = await Stage.open();
  server = createServer();
  server.on('connection', (socket: Socket) => {
    open++;
    socket.once('close', () => open--);
  });
  new WebSocketServer({ server, perMessageDeflate: { threshold: 0 } }).on('connection', (socket) => socket.on('message', (data) => socket.send(data, { binary: false })));
  server.listen(0, '127.0.0.1', COUNT);
  await once(server, 'listening');
  stage.profile({ hosts: { 'ws.demo.test': `127.0.0.1:${(server.address() as AddressInfo).port}` } });
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await stage.close();
});

async function chat(client: WebSocket, i: number): Promise<void> {
  for (let said = 0; said < SAID; said++) {
    client.send(`message ${said} of ${i}`);
    const [heard] = (await soon('the echo', once(client, 'message'), 120_000)) as [Buffer];
    assert.equal(heard.toString(), `message ${said} of ${i}`);
  }
}

test(`${COUNT} WebSockets at once`, { timeout: 300_000 }, async (t) => {
  const proxy = await ProxyProcess.open(stage);
  const connected = async (): Promise<WebSocket> => {
    const socket = await proxy.tunnel('ws.demo.test:80');
    const client = new WebSocket('ws://ws.demo.test/chat', { createConnection: () => socket, perMessageDeflate: { threshold: 0 } });
    client.on('error', () => {});
    await soon('the handshake', once(client, 'open'), 60_000);
    return client;
  };
  // The first brings its code with it.
  const clients = [await connected()];
  await chat(clients[0]!, 0);
  const start = proxy.memory;
  while (clients.length < COUNT) clients.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, COUNT - clients.length) }, connected))));
  assert.equal(open, COUNT, 'all at once');
  const standing = proxy.memory - start;
  await Promise.all(clients.slice(1).map((client, i) => chat(client, i + 1)));
  const talking = proxy.peak - start;
  const each = (growth: number): string => `${growth.toFixed(0)} MiB, ${((growth * 1024) / COUNT).toFixed(0)} KiB for each`;
  t.diagnostic(`the proxy's memory above that of one: ${each(standing)} when they stand; ${each(talking)} when all have talked`);
  await Promise.all(clients.map(async (client) => {
    const over = once(client, 'close');
    client.close(1000);
    await over;
  }));
  const flows = await proxy.end();
  assert.equal(flows.length, COUNT);
  for (const { kind, outcome, websocket } of flows) assert.deepEqual([kind, outcome, websocket!.message_count, websocket!.close?.code, websocket!.fault], ['websocket', 'completed', { up: SAID + 1, down: SAID + 1 }, 1000, null]);
  assert.equal(new Set(flows.map(({ websocket }) => websocket!.messages[0]!.data)).size, COUNT);
});
