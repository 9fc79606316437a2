/** 1 GiB in one stream of gRPC, each way: the same bytes, in less than 100 MiB more of memory. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ServerReadableStream, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { GrpcOrigin, grpcMethod } from './stage/grpc-origin.ts';
import { GUEST_NODE, Stage } from './stage/stage.ts';
import { digestOf, keystream, measuredJob } from './stage/transfer.ts';
import { flowsOf } from './stage/workspace.ts';

const MIB = 1024 * 1024;
const SIZE = Number(process.env['TRANSFER_MIB'] ?? 1024) * MIB;
const MESSAGE = 64 * 1024;
const GROWTH_MIB = 100;
let stage: Stage;
let origin: GrpcOrigin;

before(async () => {
  stage = await Stage.open();
  origin = await GrpcOrigin.open(stage.identity, {
    definition: { give: grpcMethod('/demo.Transfer/Give', false, true), take: grpcMethod('/demo.Transfer/Take', true, false) },
    handlers: {
      async give(call: ServerWritableStream<Buffer, Buffer>) {
        for (const chunk of keystream(Number(call.request), MESSAGE)) if (!call.write(chunk)) await once(call, 'drain');
        call.end();
      },
      take(call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) {
        const hash = createHash('sha256');
        call.on('data', (chunk: Buffer) => hash.update(chunk));
        call.on('end', () => done(null, Buffer.from(hash.digest('hex'))));
      },
    },
  });
  const modules = realpathSync(join(import.meta.dirname, '../../node_modules'));
  stage.profile({ hosts: { 'grpc.demo.test': origin.address }, mounts: [{ source: modules, destination: '/opt/modules/node_modules', readOnly: true }] });
});
after(async () => {
  origin.close();
  await stage.close();
});

for (const [kind, from] of [['give', 'server'], ['take', 'client']] as const) {
  test(`${SIZE / MIB} MiB from the ${from}`, { timeout: 400_000 }, async (t) => {
    const { stdout, stderr, growth } = await measuredJob(stage, [GUEST_NODE, '/guest/grpc_transfer.mjs', 'grpc.demo.test:443', kind, String(SIZE)], 350_000);
    const digest = digestOf(SIZE);
    assert.equal(stdout.split('\n')[1], digest, stdout + stderr);
    const folder = stage.workspace.latest;
    const flow = flowsOf(folder).filter(({ grpc }) => grpc).at(-1)!;
    const body = from === 'server' ? flow.response! : flow.request!;
    const count = SIZE / MESSAGE;
    assert.deepEqual([flow.outcome, flow.grpc!.status_name, flow.grpc!.fault, flow.grpc!.message_count[from === 'server' ? 'down' : 'up'], body.body_size], ['completed', 'OK', null, count, SIZE + 5 * count]);
    rmSync(folder, { recursive: true });
    t.diagnostic(`peak of resident memory above the start: ${growth.toFixed(0)} MiB`);
    assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
  });
}
