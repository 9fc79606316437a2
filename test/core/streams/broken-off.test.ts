/** Messages that never become whole: what was taken down of them is let go when nothing more can come. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';

const BYTES = randomBytes(100_000);
const TEXT = BYTES.toString('hex');

function frame(bytes: Buffer, flags = 0): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(bytes.length + 1, 1);
  return Buffer.concat([head, bytes]);
}

/** Type, coding of messages, body, and whether the body is whole for HTTP. */
const CASES: readonly (readonly [string, string, string | Buffer, boolean])[] = [
  ['text/event-stream', 'identity', `data: one\ndata: ${TEXT}`, false],
  ['text/event-stream', 'identity', `data: one\ndata: ${TEXT}`, true],
  ['application/x-ndjson', 'identity', TEXT, false],
  ['application/grpc-web+proto', 'identity', frame(BYTES), false],
  ['application/grpc-web+proto', 'identity', frame(BYTES), true],
  ['application/grpc-web+proto', 'gzip', frame(gzipSync(BYTES), 1), false],
];

for (const [type, coding, body, isWhole] of CASES) {
  test(`the file of a message in ${type}, ${coding}, ${isWhole ? 'that ends too early' : 'that is broken off'}, goes with its flow`, async () => {
    await using origin = await Origin.http((_request, response) => {
      response.writeHead(200, { 'content-type': type, 'grpc-encoding': coding });
      if (isWhole) response.end(body);
      else response.write(body, () => setTimeout(() => response.socket!.destroy(), 30));
    });
    await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 2000 } });
    const client = await stage.wire('api.test');
    client.write(`POST / HTTP/1.1\r\nHost: api.test\r\nContent-Type: ${type}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    await client.takeAll();
    const record = await stage.record();
    assert.deepEqual((record.events ?? record.grpc)!.message_count, { up: 0, down: 0 });
    const own = record.response!.body_file;
    assert.notEqual(own, null);
    const files = (): string[] => readdirSync(join(stage.directory, 'bodies')).map((name) => `bodies/${name}`);
    await until('the other files to go', () => files().length === 1);
    assert.deepEqual(files(), [own]);
  });
}
