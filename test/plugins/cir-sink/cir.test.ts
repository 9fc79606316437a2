import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MentuError, type ErrorCode } from '../../../core/index.ts';
import { openCir, type Cir } from '../../../plugins/cir-sink/cir.ts';

let folder: string;
let cir: Cir;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'mentu-cir-'));
  cir = openCir(folder);
});
after(async () => {
  await cir.close();
  rmSync(folder, { recursive: true, force: true });
});

const fails = (code: ErrorCode) => (error: unknown): boolean => error instanceof MentuError && error.code === code;

test('before anything is captured, reading finds nothing and makes nothing', async () => {
  assert.deepEqual(await cir.query(), []);
  assert.deepEqual(await cir.search('anything'), []);
  assert.equal((await cir.stats()).signals, 0);
  assert.equal(existsSync(cir.location), false);
});

test('captures, queries, searches and counts', async () => {
  const { id } = await cir.capture('the build took long', { type: 'build_note', domain: 'ci', confidence: 0.8, source: 'test', tags: ['slow'], data: { job: 'job_1', seconds: 90 } });
  assert.match(id, /^sig_[0-9a-z]{29}$/);
  await cir.capture('another', { type: 'build_note' });
  const [signal, ...others] = await cir.query({ type: 'build_note', domain: 'ci', since: '1h', where: ['seconds>60', 'tags=slow'], job: 'job_1', limit: 5 });
  assert.equal(others.length, 0);
  const { created_at, ...rest } = signal!;
  assert.ok(Math.abs(Date.now() - Date.parse(created_at)) < 60_000);
  assert.deepEqual(rest, { id, type: 'build_note', body: 'the build took long', domain: 'ci', confidence: 0.8, source: 'test', tags: ['slow'], data: { job: 'job_1', seconds: 90 } });
  assert.equal((await cir.query({ until: '1h' })).length, 0);
  assert.equal((await cir.query({ since: new Date(Date.now() - 60_000), until: new Date(Date.now() + 60_000) })).length, 2);
  assert.deepEqual((await cir.search('took long')).map((found) => found.id), [id]);
  assert.deepEqual((await cir.stats()).types, { build_note: 2 });
});

test('refuses what is no signal, and stores nothing of it', async () => {
  const before = (await cir.stats()).signals;
  for (const [body, signal] of [
    ['', { type: 'a' }],
    ['x', { type: '' }],
    ['x', { type: 'two words' }],
    ['x', { type: 'a', confidence: 2 }],
    ['x', { type: 'a', confidence: NaN }],
    ['x', { type: 'a', tags: [''] }],
    ['x'.repeat(1024 * 1024), { type: 'a' }],
  ] as const) {
    await assert.rejects(cir.capture(body, signal), fails('bad_signal'));
  }
  await assert.rejects(cir.query({ where: 'a=' }), fails('bad_filter'));
  await assert.rejects(cir.query({ since: 'soon' }), fails('bad_time'));
  await assert.rejects(cir.search('...'), fails('bad_search'));
  assert.equal((await cir.stats()).signals, before);
});
