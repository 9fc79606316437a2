import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Headers } from '../../../core/headers.ts';
import type { BodyRecord } from '../../../core/record.ts';
import { BodyStore } from '../../../core/recorder/bodies.ts';
import { BodyCapture, type CaptureSettings } from '../../../core/recorder/body-capture.ts';
import { BodyReader } from '../../../core/recorder/body-text.ts';

const job = mkdtempSync(join(tmpdir(), 'mentu-capture-'));
const store = new BodyStore(job, { quota: 1 << 30, warn: (error) => assert.fail(error) });
after(async () => {
  await store.close();
  rmSync(job, { recursive: true });
});

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function settings(limit: number, more: Partial<CaptureSettings> = {}): CaptureSettings {
  return { limit, keep: 'whole', store, reader: new BodyReader(limit), ...more };
}

async function capture(chunks: Buffer[], made: CaptureSettings, headers: [string, string][] = []): Promise<BodyRecord> {
  const body = new BodyCapture(made);
  let drain = (): void => {};
  body.onDrain = () => drain();
  for (const chunk of chunks) if (!body.write(chunk)) await new Promise<void>((resolve) => (drain = resolve));
  return new Promise((resolve) => body.finish(Headers.from(headers), resolve));
}

function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

test('a small body is recorded in the same turn', () => {
  const body = new BodyCapture(settings(1024));
  assert.equal(body.write(Buffer.from('{"a":')), true);
  assert.equal(body.write(Buffer.alloc(0)), true);
  assert.equal(body.write(Buffer.from('1}')), true);
  body.end();
  let record: BodyRecord | undefined;
  body.finish(new Headers(), (done) => (record = done));
  assert.deepEqual(record, {
    body: '{"a":1}', body_encoding: 'utf8', body_size: 7, body_sha256: sha256(Buffer.from('{"a":1}')),
    body_truncated: false, body_file: null, body_decoded: [],
  });
});

test('no body is null', async () => {
  assert.deepEqual(await capture([], settings(1024)), {
    body: null, body_encoding: null, body_size: 0, body_sha256: null, body_truncated: false, body_file: null, body_decoded: [],
  });
});

for (const [size, chunk] of [[1000, 1], [65_536, 16_384], [65_537, 1000], [200_000, 65_536], [1_048_576, 7001], [1_048_576, 1_048_576]] as const) {
  test(`a body of ${size} bytes in chunks of ${chunk} stays in the line, with the hash of its bytes`, async () => {
    const bytes = randomBytes(size);
    const record = await capture(pieces(bytes, chunk), settings(1_048_576));
    assert.equal(record.body_sha256, sha256(bytes));
    assert.ok(Buffer.from(record.body!, 'base64').equals(bytes));
    assert.equal(record.body_truncated, false);
    assert.equal(record.body_file, null);
  });
}

for (const [size, chunk] of [[1_048_577, 65_536], [1_048_577, 1_048_577], [9_000_000, 16_384], [9_000_000, 777], [20_000_000, 300_000]] as const) {
  test(`a body of ${size} bytes in chunks of ${chunk} is cut in the line and whole in its file`, async () => {
    const bytes = randomBytes(size);
    const record = await capture(pieces(bytes, chunk), settings(1_048_576));
    assert.equal(record.body_size, size);
    assert.equal(record.body_sha256, sha256(bytes));
    assert.ok(Buffer.from(record.body!, 'base64').equals(bytes.subarray(0, 1_048_576)));
    assert.equal(record.body_truncated, true);
    assert.equal(record.body_file, `bodies/${sha256(bytes)}`);
    assert.ok(readFileSync(join(job, record.body_file)).equals(bytes));
  });
}

test('text cut at the limit ends with a whole character', async () => {
  const record = await capture([Buffer.from('€'.repeat(100))], settings(100));
  assert.equal(record.body, '€'.repeat(33));
  assert.equal(record.body_encoding, 'utf8');
  assert.equal(readFileSync(join(job, record.body_file!), 'utf8'), '€'.repeat(100));
});

test('a limit of nothing puts each body into its file', async () => {
  const record = await capture([Buffer.from('all of it')], settings(0));
  assert.equal(record.body, '');
  assert.equal(record.body_truncated, true);
  assert.equal(readFileSync(join(job, record.body_file!), 'utf8'), 'all of it');
});

test('a compressed body is shown decoded, with size and hash of the bytes on the wire', async () => {
  const wire = gzipSync('read me');
  const record = await capture(pieces(wire, 5), settings(1024), [['content-encoding', 'gzip']]);
  assert.equal(record.body, 'read me');
  assert.deepEqual(record.body_decoded, ['gzip']);
  assert.equal(record.body_size, wire.length);
  assert.equal(record.body_sha256, sha256(wire));
});

test('short on the wire and too long when decoded: cut in the line, whole as it was on the wire in its file', async () => {
  const wire = gzipSync(Buffer.alloc(500_000, 'long '));
  const record = await capture([wire], settings(100_000), [['content-encoding', 'gzip']]);
  assert.equal(record.body, 'long '.repeat(20_000));
  assert.equal(record.body_truncated, true);
  assert.equal(record.body_file, `bodies/${sha256(wire)}`);
  assert.ok(readFileSync(join(job, record.body_file)).equals(wire));
});

test('where bodies are not kept, bytes are counted and nothing else is', async () => {
  const record = await capture([Buffer.from('secret'), Buffer.alloc(100_000)], settings(1024, { keep: 'none' }));
  assert.deepEqual(record, {
    body: null, body_encoding: null, body_size: 100_006, body_sha256: null, body_truncated: true, body_file: null, body_decoded: [],
  });
});

test('without a store a long body is cut, hashed whole, and has no file', async () => {
  const bytes = randomBytes(300_000);
  const record = await capture(pieces(bytes, 10_000), settings(100_000, { store: null }));
  assert.equal(record.body_sha256, sha256(bytes));
  assert.equal(record.body_truncated, true);
  assert.equal(record.body_file, null);
  assert.equal(Buffer.from(record.body!, 'base64').length, 100_000);
});

test('over the quota half-way: cut, hashed whole, no file, nothing left behind, the source never stuck', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mentu-quota-'));
  const warnings: string[] = [];
  const small = new BodyStore(directory, { quota: 5_000_000, warn: (error) => warnings.push(error.code) });
  const bytes = randomBytes(9_000_000);
  const record = await capture(pieces(bytes, 65_536), settings(100_000, { store: small }));
  assert.equal(record.body_sha256, sha256(bytes));
  assert.equal(record.body_size, bytes.length);
  assert.equal(record.body_file, null);
  assert.equal(record.body_truncated, true);
  assert.deepEqual(warnings, ['bodies_over_quota']);
  await small.close();
  assert.deepEqual(readdirSync(join(directory, 'bodies')), []);
  rmSync(directory, { recursive: true });
});

test('back-pressure: what waits for the disk stays bounded for a body of 200 MB', async () => {
  const chunk = randomBytes(65_536);
  const body = new BodyCapture(settings(1_048_576));
  let drain = (): void => {};
  body.onDrain = () => drain();
  const before = process.memoryUsage().rss;
  let peak = 0;
  for (let i = 0; i < 3200; i += 1) {
    // A copy for each chunk, as a socket would give it.
    if (!body.write(Buffer.from(chunk))) await new Promise<void>((resolve) => (drain = resolve));
    if (i % 100 === 0) peak = Math.max(peak, process.memoryUsage().rss - before);
  }
  const record = await new Promise<BodyRecord>((resolve) => body.finish(new Headers(), resolve));
  assert.equal(record.body_size, 3200 * 65_536);
  assert.notEqual(record.body_file, null);
  await store.release(record.body_file!);
  assert.ok(peak < 100 * 1024 * 1024, `${peak} bytes`);
});

for (const limit of [0, 1, 1000, 65_535, 65_536]) {
  test(`with a limit of ${limit} bytes the hash is still that of all of them`, async () => {
    for (const size of [limit + 1, limit + 500, 65_536, 65_537, 200_000]) {
      const bytes = randomBytes(size);
      for (const chunk of [997, 16_384, size]) {
        const record = await capture(pieces(bytes, chunk), settings(limit));
        assert.equal(record.body_sha256, sha256(bytes), `${size} bytes in chunks of ${chunk}`);
        if (size > limit) assert.deepEqual(readFileSync(join(job, record.body_file!)), bytes);
      }
    }
  });
}
