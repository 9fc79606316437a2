import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MentuError, parseFilter } from '../../../../core/index.ts';
import { signalsOf } from '../../../../plugins/cir-sink/projection.ts';
import type { PackedSignal, Signal } from '../../../../plugins/cir-sink/signal.ts';
import { openSqliteStore } from '../../../../plugins/cir-sink/sqlite/sqlite-store.ts';
import { SCHEMA_VERSION } from '../../../../plugins/cir-sink/sqlite/schema.ts';
import type { SignalStore } from '../../../../plugins/cir-sink/store.ts';
import { deniedSample, flowSample } from '../flow-sample.ts';

let folder: string;
let count = 0;
before(() => (folder = mkdtempSync(join(tmpdir(), 'mentu-store-'))));
after(() => rmSync(folder, { recursive: true, force: true }));

const newFile = (): string => join(folder, String(count++), 'cir.db');

async function withStore(run: (store: SignalStore, file: string) => Promise<void>, file = newFile()): Promise<void> {
  const store = await openSqliteStore(file);
  try {
    await run(store, file);
  } finally {
    await store.close();
  }
}

async function all(items: AsyncIterable<Signal>): Promise<Signal[]> {
  const list: Signal[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const flows = (from: number, to: number, job?: string): PackedSignal[] => {
  const list: PackedSignal[] = [];
  for (let i = from; i < to; i++) list.push(...signalsOf(flowSample(i, {}, job)));
  return list;
};

test('gives back what was stored, newest first', () =>
  withStore(async (store) => {
    assert.equal(await store.append(flows(0, 3)), 3);
    const [newest, , oldest] = await all(store.query({}));
    assert.equal(newest!.id, 'sig_flow_job_sample_000002');
    assert.deepEqual(newest!.tags, ['http', 'completed']);
    assert.equal(newest!.data['status'], 200);
    assert.equal(newest!.created_at, '2026-01-02T00:00:02.000Z');
    assert.equal(oldest!.id, (await all(store.query({ order: 'oldest' })))[0]!.id);
  }));

test('is idempotent by id, and a signal keeps its first form', () =>
  withStore(async (store) => {
    await store.append(flows(0, 5));
    assert.equal(await store.append(flows(3, 8)), 3);
    const [changed] = signalsOf(flowSample(1, { outcome: 'failed' }));
    assert.equal(await store.append([changed!]), 0);
    const signals = await all(store.query({}));
    assert.equal(signals.length, 8);
    assert.ok(signals.every((signal) => signal.data['outcome'] === 'completed'));
  }));

test('a batch is stored as a whole or not at all', () =>
  withStore(async (store) => {
    const [bad] = signalsOf(flowSample(2));
    await assert.rejects(store.append([...flows(0, 2), { ...bad!, data: '{"broken' }]), (error) => error instanceof MentuError && error.code === 'store_unusable');
    assert.equal((await store.stats()).signals, 0);
    assert.equal(await store.append(flows(0, 2)), 2);
  }));

test('filters by type, domain, job, time and expression, across pages', () =>
  withStore(async (store) => {
    await store.append(flows(0, 1200, 'job_a'));
    await store.append(flows(0, 3, 'job_b'));
    await store.append([...signalsOf(deniedSample(5000)), ...signalsOf(deniedSample(5001))]);
    const count = async (query: Parameters<SignalStore['query']>[0]): Promise<number> => (await all(store.query(query))).length;
    assert.equal(await count({}), 1207);
    assert.equal(await count({ limit: 1201 }), 1201);
    assert.equal(await count({ job: 'job_a' }), 1200);
    assert.equal(await count({ job: 'job_b' }), 3);
    assert.equal(await count({ type: 'sandbox_violation' }), 2);
    assert.equal(await count({ type: 'network_flow' }), 1205);
    assert.equal(await count({ domain: 'network' }), 1207);
    assert.equal(await count({ domain: 'other' }), 0);
    const since = new Date(Date.UTC(2026, 0, 2, 0, 10));
    assert.equal(await count({ job: 'job_a', since }), 600);
    assert.equal(await count({ job: 'job_a', since, until: new Date(since.getTime() + 10_000) }), 10);
    assert.equal(await count({ where: [parseFilter('outcome=denied'), parseFilter('host~api')] }), 2);
    assert.equal(await count({ where: [parseFilter('path~/items/11*')], job: 'job_a' }), 111);
    const ids = (await all(store.query({ job: 'job_a' }))).map(({ id }) => id);
    assert.equal(new Set(ids).size, 1200);
    assert.deepEqual(ids, ids.toSorted().reverse());
  }));

test('signals of one moment are paged by arrival, each once', () =>
  withStore(async (store) => {
    await store.append(flows(0, 1300).map((signal) => ({ ...signal, created_at: '2026-01-02T00:00:00.000Z' })));
    const ids = (await all(store.query({}))).map(({ id }) => id);
    assert.equal(new Set(ids).size, 1300);
    assert.deepEqual(ids, ids.toSorted().reverse());
  }));

test('what is stored while a query is read does not disturb it', () =>
  withStore(async (store) => {
    await store.append(flows(0, 1200));
    let read = 0;
    for await (const signal of store.query({})) {
      if (read++ === 0) await store.append(flows(1200, 1300));
      assert.ok(Number(signal.data['flow']!.toString().slice(-6)) < 1200);
    }
    assert.equal(read, 1200);
  }));

test('signals are never changed, deleted or replaced, whoever asks', () =>
  withStore(async (store, file) => {
    await store.append(flows(0, 1));
    const other = new DatabaseSync(file);
    assert.throws(() => other.exec(`UPDATE signals SET body = 'x'`), /signals are immutable/);
    assert.throws(() => other.exec('DELETE FROM signals'), /signals are immutable/);
    other.exec(`INSERT OR REPLACE INTO signals SELECT seq + 1, id, type, created_at, job, domain, confidence, source, 'x', tags, data FROM signals`);
    other.close();
    const [signal, ...more] = await all(store.query({}));
    assert.deepEqual([signal!.body, more.length], ['GET https://api.example.com/items/0?page=1 200, 12 B, 12 ms', 0]);
  }));

test('finds words, phrases and beginnings, also in what came after the last search', () =>
  withStore(async (store) => {
    await store.append(flows(0, 20));
    await store.append(signalsOf(deniedSample(100)));
    const found = async (text: string): Promise<number> => (await all(store.search({ text }))).length;
    assert.equal(await found('api.example.com'), 22);
    assert.equal(await found('items/7'), 1);
    assert.equal(await found('evil.test deniedDomains'), 2);
    assert.equal(await found('evi*'), 2);
    assert.equal(await found('"example items"'), 0);
    assert.equal(await found('"example com items"'), 22);
    assert.equal(await found('sandbox_violation'), 1);
    assert.equal(await found('nothing'), 0);
    for (const hostile of ['a OR b', 'NEAR(a b)', 'body:x', '") OR (', '-x', '^x', 'x*y*']) await found(hostile);
    await assert.rejects(found('"" * -'), (error) => error instanceof MentuError && error.code === 'bad_search');
    await store.append(flows(200, 203));
    assert.equal(await found('items/201'), 1);
    assert.equal((await all(store.search({ text: 'items', limit: 4 }))).length, 4);
    assert.equal((await all(store.search({ text: 'items' })))[0]!.id, 'sig_flow_job_sample_000202');
  }));

test('the search index takes more than one chunk and serves two processes', () =>
  withStore(async (store, file) => {
    for (let i = 0; i < 11_000; i += 1000) await store.append(flows(i, i + 1000));
    const other = await openSqliteStore(file);
    const [here, there] = await Promise.all([all(store.search({ text: 'items', limit: 20_000 })), all(other.search({ text: 'items', limit: 20_000 }))]);
    await other.close();
    assert.deepEqual([here.length, there.length], [11_000, 11_000]);
  }));

test('counts', () =>
  withStore(async (store, file) => {
    assert.deepEqual({ ...(await store.stats()), size: 0 }, { location: file, signals: 0, jobs: 0, types: {}, domains: {}, first: null, last: null, size: 0 });
    await store.append([...flows(0, 3, 'job_a'), ...signalsOf(deniedSample(9))]);
    const { size, ...stats } = await store.stats();
    assert.ok(size > 0);
    assert.deepEqual(stats, { location: file, signals: 5, jobs: 2, types: { network_flow: 4, sandbox_violation: 1 }, domains: { network: 5 }, first: '2026-01-02T00:00:00.000Z', last: '2026-01-02T00:00:09.000Z' });
  }));

test('folder and files are private, also where they were not', async () => {
  const file = newFile();
  const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
  await withStore(async (store) => {
    await store.append(flows(0, 1));
    assert.deepEqual([join(file, '..'), file, `${file}-wal`, `${file}-shm`].map(mode), ['700', '600', '600', '600']);
  }, file);
  chmodSync(file, 0o644);
  await withStore(async (store) => {
    await store.append(flows(1, 2));
    assert.deepEqual([file, `${file}-wal`, `${file}-shm`].map(mode), ['600', '600', '600']);
  }, file);
});

async function refusal(file: string): Promise<MentuError> {
  try {
    await (await openSqliteStore(file)).close();
  } catch (error) {
    assert.ok(error instanceof MentuError, String(error));
    return error;
  }
  throw new Error('it was opened');
}

test('refuses a file that is no database, another program\'s, damaged or newer, and says what to do', async () => {
  const text = newFile();
  await withStore(async () => {}, text);
  rmSync(text);
  writeFileSync(text, 'this is no database\n'.repeat(100));
  const before = readFileSync(text);
  assert.match(String(await refusal(text)), /store_corrupt.*Move it away.*mentu cir ingest/);
  assert.deepEqual(readFileSync(text), before);

  const foreign = newFile();
  await withStore(async () => {}, foreign);
  rmSync(foreign);
  const other = new DatabaseSync(foreign);
  other.exec('CREATE TABLE recipes (name TEXT)');
  other.close();
  assert.equal((await refusal(foreign)).code, 'store_foreign');

  const newer = newFile();
  await withStore(async () => {}, newer);
  const later = new DatabaseSync(newer);
  later.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  later.close();
  const error = await refusal(newer);
  assert.equal(error.code, 'store_newer');
  assert.match(error.message, new RegExp(`schema ${SCHEMA_VERSION + 1}, known here: ${SCHEMA_VERSION}`));

  const folderInPlace = newFile();
  await withStore(async () => {}, join(folderInPlace, 'below.db'));
  assert.equal((await refusal(folderInPlace)).code, 'store_unusable');
});

test('a store whose pages are damaged tells so when it is read', async () => {
  const file = newFile();
  await withStore(async (store) => void (await store.append(flows(0, 500))), file);
  const bytes = readFileSync(file);
  bytes.fill(0xff, 4096 * 20, bytes.length - 4096 * 20);
  writeFileSync(file, bytes);
  await assert.rejects(
    withStore(async (store) => void (await all(store.query({}))), file),
    (error) => error instanceof MentuError && error.code === 'store_corrupt',
  );
});

const WRITER = join(import.meta.dirname, 'writer-process.ts');

async function messages(child: ChildProcess): Promise<unknown[]> {
  const list: unknown[] = [];
  child.on('message', (message) => list.push(message));
  const [code] = (await once(child, 'exit')) as [number | null];
  assert.equal(code, 0);
  return list;
}

test('four processes create and fill one store at once', { timeout: 30_000 }, async () => {
  const file = newFile();
  const children = Array.from({ length: 4 }, (_, i) => fork(WRITER, [file, `job_${i}`, '40', '50']));
  const results = await Promise.all(children.map(messages));
  assert.deepEqual(results.map((list) => list.at(-1)), Array(4).fill({ added: 2000 }));
  await withStore(async (store) => {
    const { signals, jobs } = await store.stats();
    assert.deepEqual([signals, jobs], [8000, 4]);
  }, file);
});

test('a writer killed in the middle leaves whole batches, and others write on', { timeout: 30_000 }, async () => {
  const file = newFile();
  const child = fork(WRITER, [file, 'job_killed', '100000', '50']);
  await once(child, 'message');
  await withStore(async (store) => {
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { signals } = await store.stats();
    assert.ok(signals >= 50 && signals % 50 === 0, String(signals));
    assert.equal(await store.append(flows(0, 10, 'job_after')), 10);
  }, file);
  assert.ok(existsSync(file));
});
