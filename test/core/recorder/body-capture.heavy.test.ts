import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { Headers } from '../../../core/headers.ts';
import type { BodyRecord } from '../../../core/record.ts';
import { BodyStore } from '../../../core/recorder/bodies.ts';
import { BodyCapture } from '../../../core/recorder/body-capture.ts';
import { BodyReader } from '../../../core/recorder/body-text.ts';

test('a body of 1 GiB is stored whole with less than 100 MiB more memory', async () => {
  const job = mkdtempSync(join(tmpdir(), 'mentu-gib-'));
  const store = new BodyStore(job, { quota: 2 ** 31, warn: (error) => assert.fail(error) });
  try {
    const body = new BodyCapture({ limit: 2 ** 20, keep: 'whole', reader: new BodyReader(2 ** 20), store });
    let drain = (): void => {};
    body.onDrain = () => drain();
    const noise = randomBytes(2 ** 16);
    const expected = createHash('sha256');
    const before = process.memoryUsage().rss;
    let peak = 0;
    for (let i = 0; i < 2 ** 14; i += 1) {
      const chunk = Buffer.from(noise);
      chunk.writeUInt32LE(i);
      expected.update(chunk);
      if (!body.write(chunk)) await new Promise<void>((resolve) => (drain = resolve));
      if (i % 64 === 0) peak = Math.max(peak, process.memoryUsage().rss - before);
    }
    const record = await new Promise<BodyRecord>((resolve) => body.finish(new Headers(), resolve));
    assert.equal(record.body_size, 2 ** 30);
    assert.equal(record.body_sha256, expected.digest('hex'));
    const stored = createHash('sha256');
    await pipeline(createReadStream(join(job, record.body_file!)), stored);
    assert.equal(stored.digest('hex'), record.body_sha256);
    assert.ok(peak < 100 * 2 ** 20, `${peak} bytes more`);
  } finally {
    await store.close();
    rmSync(job, { recursive: true });
  }
});
