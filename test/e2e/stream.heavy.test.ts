/** 1 GiB through a raw TCP connection of a guest, each way: the same bytes, in less than 100 MiB more of memory. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { Stage } from './stage/stage.ts';
import { KEYSTREAM, digestOf, keystream, measuredJob } from './stage/transfer.ts';
import { flowsOf } from './stage/workspace.ts';

const MIB = 1024 * 1024;
const SIZE = Number(process.env['TRANSFER_MIB'] ?? 1024) * MIB;
const GROWTH_MIB = 100;
const CLIENT = 'python3 /guest/stream.py raw.demo.test 7000';

let stage: Stage;
let server: Server;

/** `down N`: N bytes. Anything else: its hash, when it is over. */
async function serve(socket: Socket): Promise<void> {
  const hash = createHash('sha256');
  let wanted = 0;
  socket.on('data', (chunk: Buffer) => {
    if (chunk.length < 32 && chunk.toString().startsWith('\0down ')) wanted = Number(chunk.toString().slice(6));
    else hash.update(chunk);
  });
  await once(socket, 'end');
  if (wanted === 0) return void socket.end(hash.digest('hex') + '\n');
  for (const chunk of keystream(wanted)) if (!socket.write(Buffer.from(chunk))) await once(socket, 'drain');
  socket.end();
}

before(async () => {
  stage = await Stage.open();
  server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket).catch(() => socket.destroy())).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stage.profile({ hosts: { 'raw.demo.test': `127.0.0.1:${(server.address() as AddressInfo).port}` } });
});
after(async () => {
  server?.close();
  await stage.close();
});

for (const direction of ['down', 'up'] as const) {
  test(`${SIZE / MIB} MiB of raw TCP ${direction}`, { timeout: 240_000 }, async (t) => {
    const ask = (size: number): string => `printf '\\000down ${size}'`;
    const body = direction === 'down' ? `${ask(SIZE)} | ${CLIENT} | sha256sum` : `head -c ${SIZE} /dev/zero | ${KEYSTREAM} | ${CLIENT}`;
    const script = `${ask(1)} | ${CLIENT} >/dev/null; echo ready; read _; ${body}; echo done; read _`;
    const { stdout, stderr, growth } = await measuredJob(stage, ['bash', '-c', script], 200_000);
    assert.equal(stdout.split('\n')[1]!.slice(0, 64), digestOf(SIZE), stdout + stderr);
    const { kind, outcome, bytes, tcp } = flowsOf(stage.workspace.latest).at(-1)!;
    assert.deepEqual([kind, outcome, Math.max(bytes.up, bytes.down)], ['tcp', 'completed', SIZE]);
    assert.equal(Buffer.from(tcp![direction].data!, 'base64').length, 4096);
    t.diagnostic(`peak of resident memory above the start: ${growth.toFixed(0)} MiB`);
    assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
  });
}
