import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';
import { BodyStore } from '../../../core/recorder/bodies.ts';
import type { MentuError } from '../../../core/errors.ts';
import type { BodyRecord } from '../../../core/record.ts';

let job: string;
let warnings: MentuError[];
const stores: BodyStore[] = [];

beforeEach(() => {
  job = mkdtempSync(join(tmpdir(), 'mentu-bodies-'));
  warnings = [];
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(job, { recursive: true, force: true });
});

function openStore(quota = 1 << 30): BodyStore {
  const store = new BodyStore(job, { quota, warn: (error) => warnings.push(error) });
  stores.push(store);
  return store;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function put(store: BodyStore, bytes: Buffer): Promise<string | null> {
  const spool = store.create();
  if (spool === null) return Promise.resolve(null);
  spool.write(bytes);
  return new Promise((resolve) => store.commit(spool, sha256(bytes), resolve));
}

async function* upperCase(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of bytes) yield Buffer.from(Buffer.from(chunk).toString('latin1').toUpperCase(), 'latin1');
}

test('a body is a file of mode 0600 named by its hash, in a folder of mode 0700; the same bytes once', async () => {
  const store = openStore();
  const bytes = Buffer.alloc(3_000_000, 'whole');
  const file = await put(store, bytes);
  assert.equal(file, `bodies/${sha256(bytes)}`);
  assert.ok(readFileSync(join(job, file!)).equals(bytes));
  assert.equal(statSync(join(job, file!)).mode & 0o777, 0o600);
  assert.equal(statSync(join(job, 'bodies')).mode & 0o777, 0o700);
  assert.equal(await put(store, bytes), file);
  assert.deepEqual(readdirSync(join(job, 'bodies')), [sha256(bytes)]);
  assert.equal(store.bytes, bytes.length);
  assert.equal(store.files, 1);
});

test('two bodies with the same bytes at the same time are one file and count once', async () => {
  const store = openStore();
  const bytes = Buffer.alloc(200_000, 'x');
  const files = await Promise.all([put(store, bytes), put(store, bytes), put(store, bytes)]);
  assert.equal(new Set(files).size, 1);
  assert.deepEqual(readdirSync(join(job, 'bodies')), [sha256(bytes)]);
  assert.equal(store.bytes, bytes.length);
});

test('over the quota a body gets no file, leaves none behind, and the user is told once', async () => {
  const store = openStore(100_000);
  assert.notEqual(await put(store, Buffer.alloc(90_000, 'a')), null);
  assert.equal(await put(store, Buffer.alloc(20_000, 'b')), null);
  assert.equal(await put(store, Buffer.alloc(20_000, 'c')), null);
  assert.equal(readdirSync(join(job, 'bodies')).length, 1);
  assert.deepEqual(warnings.map((warning) => warning.code), ['bodies_over_quota']);
  assert.equal(store.refused.quota, 2);
  assert.equal(store.bytes, 90_000);
  assert.notEqual(await put(store, Buffer.alloc(10_000, 'd')), null, 'what was refused has given its bytes back');
  assert.equal(await put(store, Buffer.alloc(1, 'e')), null);
});

test('a source is asked to pause while the disk is behind, and let go afterwards', async () => {
  const store = openStore();
  const spool = store.create()!;
  const chunk = Buffer.alloc(256 * 1024, 'p');
  const digest = createHash('sha256');
  let pauses = 0;
  for (let i = 0; i < 64; i += 1) {
    digest.update(chunk);
    if (spool.write(chunk)) continue;
    pauses += 1;
    await new Promise<void>((resolve) => (spool.onDrain = resolve));
  }
  assert.ok(pauses > 0, '16 MiB in one go must be more than may wait');
  const hash = digest.digest('hex');
  const file = await new Promise<string | null>((resolve) => store.commit(spool, hash, resolve));
  assert.equal(sha256(readFileSync(join(job, file!))), hash);
});

test('symbolic links are never followed', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'mentu-outside-'));
  try {
    symlinkSync(outside, join(job, 'bodies'));
    assert.throws(() => openStore(), { code: 'bodies_unsafe' });
    rmSync(join(job, 'bodies'));
    const bytes = Buffer.from('content');
    mkdirSync(join(job, 'bodies'));
    writeFileSync(join(outside, 'target'), 'untouched');
    symlinkSync(join(outside, 'target'), join(job, 'bodies', sha256(bytes)));
    const store = openStore();
    const file = await put(store, bytes);
    assert.equal(readFileSync(join(outside, 'target'), 'utf8'), 'untouched');
    assert.equal(readFileSync(join(job, file!), 'utf8'), 'content');
    rmSync(join(job, file!));
    symlinkSync(join(outside, 'target'), join(job, file!));
    await assert.rejects(store.rewrite(file!, upperCase), { code: 'ELOOP' });
  } finally {
    rmSync(outside, { recursive: true });
  }
});

test('a file in the place of the folder is refused by name', () => {
  writeFileSync(join(job, 'bodies'), '');
  assert.throws(() => openStore(), (error: MentuError) => error.code === 'bodies_unsafe' && error.message.includes(join(job, 'bodies')));
});

test('what a killed capture left half-written is removed at the next start, and open files at the close', async () => {
  mkdirSync(join(job, 'bodies'));
  writeFileSync(join(job, 'bodies', '.partial-0badc0de'), 'half');
  const kept = 'a'.repeat(64);
  writeFileSync(join(job, 'bodies', kept), 'whole');
  const store = openStore();
  assert.deepEqual(readdirSync(join(job, 'bodies')), [kept]);
  const spool = store.create()!;
  spool.write(Buffer.alloc(100_000));
  await store.close();
  assert.deepEqual(readdirSync(join(job, 'bodies')), [kept]);
  assert.equal(store.create(), null);
  assert.equal(store.bytes, 0);
});

test('close waits for a file that is being completed', async () => {
  const store = openStore();
  const bytes = Buffer.alloc(5_000_000, 'late');
  const named = put(store, bytes);
  await store.close();
  assert.deepEqual(readdirSync(join(job, 'bodies')), [sha256(bytes)]);
  assert.equal(await named, `bodies/${sha256(bytes)}`);
});

test('a disk that refuses is told once, counted, and leaves no file', async () => {
  const store = openStore();
  rmSync(join(job, 'bodies'), { recursive: true });
  assert.equal(await put(store, Buffer.from('lost')), null);
  assert.equal(await put(store, Buffer.from('lost too')), null);
  assert.deepEqual(warnings.map((warning) => warning.code), ['body_not_stored']);
  assert.match(warnings[0]!.message, /ENOENT/);
  assert.equal(store.refused.failed, 2);
  assert.equal(store.bytes, 0);
});

test('a disk that fills up half-way: no file, nothing left behind, and the next body that fits is stored', { timeout: 20_000 }, async () => {
  const module = new URL('../../../core/recorder/bodies.ts', import.meta.url).href;
  const script = `import { BodyStore } from ${JSON.stringify(module)};
    const store = new BodyStore(${JSON.stringify(job)}, { quota: 1e9, warn: (error) => console.log(error.code + ': ' + error.message) });
    for (const size of [3_000_000, 50_000]) {
      const spool = store.create();
      for (let left = size; left > 0; left -= 50_000) if (!spool.write(Buffer.alloc(50_000))) await new Promise((resolve) => (spool.onDrain = resolve));
      console.log(await new Promise((resolve) => store.commit(spool, 'a'.repeat(64), resolve)));
    }
    await store.close();
    console.log(store.bytes);`;
  // Writing over the limit fails with EFBIG, as a full disk does with ENOSPC, once the signal is ignored.
  const child = spawn('sh', ['-c', `trap '' XFSZ; ulimit -f 200; exec "$0" --input-type=module -e "$1"`, process.execPath, script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = await text(child.stdout);
  assert.match(output, /^body_not_stored: .*EFBIG.*\nnull\nbodies\/a{64}\n50000\n$/);
  assert.deepEqual(readdirSync(join(job, 'bodies')), ['a'.repeat(64)]);
});

test('rewriting gives the file the name of the new bytes; the old one goes with the last flow that names it', async () => {
  const store = openStore();
  const bytes = Buffer.alloc(300_000, 'secret ');
  const upper = Buffer.from(bytes.toString().toUpperCase());
  const first = (await put(store, bytes))!;
  await put(store, bytes);
  const one = await store.rewrite(first, upperCase);
  assert.deepEqual(one, { file: `bodies/${sha256(upper)}`, sha256: sha256(upper), size: upper.length });
  assert.deepEqual(readdirSync(join(job, 'bodies')).sort(), [sha256(bytes), sha256(upper)].sort());
  await store.rewrite(first, upperCase);
  assert.deepEqual(readdirSync(join(job, 'bodies')), [sha256(upper)]);
  assert.equal(store.bytes, upper.length);
});

test('rewriting works with the quota used up', async () => {
  const bytes = Buffer.alloc(50_000, 'q');
  const store = openStore(bytes.length);
  const file = (await put(store, bytes))!;
  const rewritten = await store.rewrite(file, upperCase);
  assert.ok(readFileSync(join(job, rewritten!.file)).equals(Buffer.alloc(50_000, 'Q')));
});

test('a transform may leave a file unchanged', async () => {
  const store = openStore();
  const file = (await put(store, Buffer.from('plain')))!;
  const unchanged = await store.rewrite(file, async function* (bytes) {
    for await (const chunk of bytes) yield chunk;
    return 'unchanged';
  });
  assert.equal(unchanged, null);
  assert.equal(readFileSync(join(job, file), 'utf8'), 'plain');
  await store.close();
  assert.equal(readdirSync(join(job, 'bodies')).length, 1);
});

test('where rewriting fails nothing of the body stays', async () => {
  const store = openStore();
  const file = (await put(store, Buffer.alloc(100_000, 'secret')))!;
  await assert.rejects(
    store.rewrite(file, async function* (bytes) {
      for await (const chunk of bytes) yield chunk;
      throw new Error('half-way');
    }),
    /half-way/,
  );
  await store.close();
  assert.deepEqual(readdirSync(join(job, 'bodies')), []);
  assert.equal(store.bytes, 0);
});

test('a file of an earlier capture with the same bytes is kept when ours is let go', async () => {
  const bytes = Buffer.from('shared with an earlier record');
  mkdirSync(join(job, 'bodies'));
  writeFileSync(join(job, 'bodies', sha256(bytes)), bytes);
  chmodSync(join(job, 'bodies', sha256(bytes)), 0o644);
  const store = openStore();
  const file = (await put(store, bytes))!;
  assert.equal(statSync(join(job, file)).mode & 0o777, 0o600);
  await store.release(file);
  assert.equal(readFileSync(join(job, file), 'utf8'), bytes.toString());
});

test('the record of a rewritten body names the new file and has no hash; after a failure it names none', async () => {
  const store = openStore();
  const bytes = Buffer.from('text');
  const body: BodyRecord = { body: 'text', body_encoding: 'utf8', body_size: 4, body_sha256: sha256(bytes), body_truncated: false, body_file: (await put(store, bytes))!, body_decoded: [] };
  await store.rewriteFor(body, upperCase);
  assert.equal(body.body_file, `bodies/${sha256(Buffer.from('TEXT'))}`);
  assert.equal(body.body_sha256, null);
  await assert.rejects(store.rewriteFor(body, () => { throw new Error('refused'); }), /refused/);
  assert.equal(body.body_file, null);
  await store.rewriteFor(body, () => assert.fail('there is no file'));
});

test('only names of stored bodies are read', async () => {
  const store = openStore();
  await assert.rejects(store.rewrite('bodies/../flows.jsonl', upperCase), /not a stored body/);
});
