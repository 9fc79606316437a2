import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalsOf } from '../../../plugins/cir-sink/projection.ts';
import { SignalQueue } from '../../../plugins/cir-sink/queue.ts';
import type { Signal } from '../../../plugins/cir-sink/signal.ts';
import { openSqliteStore } from '../../../plugins/cir-sink/sqlite/sqlite-store.ts';
import { asCompleted, asLines, deniedSample, flowSample } from './flow-sample.ts';

let folder: string;
let count = 0;
before(() => (folder = mkdtempSync(join(tmpdir(), 'mentu-queue-'))));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Place {
  readonly file: string;
  readonly flowsFile: string;
  readonly warnings: string[];
  queue(budget?: number): SignalQueue;
}

function place(): Place {
  const directory = join(folder, String(count++));
  mkdirSync(directory);
  const file = join(directory, 'home', 'cir.db');
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  return { file, flowsFile: join(directory, 'flows.jsonl'), warnings, queue: (budget) => new SignalQueue({ file, warn, ...(budget === undefined ? {} : { budget }) }) };
}

function stored(file: string): number {
  const database = new DatabaseSync(file);
  try {
    return Number(database.prepare('SELECT count(*) AS n FROM signals').get()!['n']);
  } finally {
    database.close();
  }
}

const add = (queue: SignalQueue, from: number, to: number): void => {
  for (let i = from; i < to; i++) queue.add(asCompleted(flowSample(i)));
};

test('without a signal neither store nor thread is made', async () => {
  const { file, flowsFile, queue, warnings } = place();
  await queue().close(flowsFile, 0);
  assert.equal(existsSync(file), false);
  assert.deepEqual(warnings, []);
});

test('stores within a second what waits, and the rest at close', async () => {
  const { file, flowsFile, queue, warnings } = place();
  const signals = queue();
  add(signals, 0, 10);
  const start = Date.now();
  while (!existsSync(file) || !existsSync(`${file}-wal`) || storedOrNone(file) < 10) {
    assert.ok(Date.now() - start < 5000, 'not stored in 5 s');
    await sleep(20);
  }
  add(signals, 10, 3000);
  await signals.close(flowsFile, 3000);
  assert.equal(existsSync(`${file}-wal`), false, 'the log is folded into the file');
  assert.deepEqual([stored(file), signals.leftOut, warnings], [3000, 0, []]);
});

function storedOrNone(file: string): number {
  try {
    return stored(file);
  } catch {
    return -1;
  }
}

test('a record gives the same signals whether it is short or long', async () => {
  const { file, flowsFile, queue } = place();
  const signals = queue();
  const short = deniedSample(1);
  const long = { ...deniedSample(2), request: { ...short.request!, body: 'x'.repeat(100_000), body_encoding: 'utf8' as const } };
  for (const record of [short, long]) signals.add(asCompleted(record));
  await signals.close(flowsFile, 2);
  const store = await openSqliteStore(file);
  const found: Signal[] = [];
  for await (const signal of store.query({ order: 'oldest' })) found.push(signal);
  await store.close();
  const wanted = [short, long].flatMap(signalsOf).map(({ tags, data, job: _job, ...plain }) => ({ ...plain, tags: JSON.parse(tags), data: JSON.parse(data) }));
  assert.deepEqual(found, wanted);
});

test('beyond its budget it holds a count alone, and fills in from the record at close', async () => {
  const { file, flowsFile, queue, warnings } = place();
  const records = [...Array.from({ length: 2000 }, (_, i) => flowSample(i)), deniedSample(2000)];
  writeFileSync(flowsFile, asLines(records));
  const signals = queue(100_000);
  for (const record of records) signals.add(asCompleted(record));
  assert.ok(signals.leftOut > 1500, String(signals.leftOut));
  await signals.close(flowsFile, records.length);
  assert.deepEqual([stored(file), signals.leftOut, warnings], [2002, 0, []]);
});

test('tells which command completes the store where the record is not whole or not there', async () => {
  for (const lines of [null, 1500]) {
    const { file, flowsFile, queue, warnings } = place();
    const records = Array.from({ length: 2000 }, (_, i) => flowSample(i));
    if (lines !== null) writeFileSync(flowsFile, asLines(records.slice(0, lines)));
    const signals = queue(100_000);
    for (const record of records) signals.add(asCompleted(record));
    const leftOut = signals.leftOut;
    await signals.close(flowsFile, records.length);
    assert.equal(warnings.length, 1);
    assert.ok(warnings[0]!.includes(`${leftOut} signals are not stored`) && warnings[0]!.includes(`"mentu cir ingest ${flowsFile}"`), warnings[0]);
    assert.equal(stored(file), lines ?? 2000 - leftOut);
  }
});

test('a store that cannot be used is told of once at first and once at the end; nothing is thrown', async () => {
  const { file, flowsFile, queue, warnings } = place();
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, 'this is no database\n'.repeat(50));
  const signals = queue();
  add(signals, 0, 2000);
  await sleep(400);
  add(signals, 2000, 2010);
  await signals.close(flowsFile, 2010);
  assert.equal(signals.leftOut, 2010);
  assert.equal(warnings.length, 2, warnings.join('\n'));
  assert.match(warnings[0]!, /^signals are not being stored \(the record is whole\): .*store_corrupt/);
  assert.match(warnings[1]!, /^2010 signals are not stored.*mentu cir ingest/);
});

test('a store that is mended while the job runs gets everything at close', async () => {
  const { file, flowsFile, queue, warnings } = place();
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, 'this is no database\n'.repeat(50));
  const records = Array.from({ length: 500 }, (_, i) => flowSample(i));
  writeFileSync(flowsFile, asLines(records));
  const signals = queue();
  for (const record of records.slice(0, 300)) signals.add(asCompleted(record));
  const start = Date.now();
  while (warnings.length === 0) {
    assert.ok(Date.now() - start < 5000, 'no warning in 5 s');
    await sleep(20);
  }
  rmSync(file);
  for (const record of records.slice(300)) signals.add(asCompleted(record));
  await signals.close(flowsFile, 500);
  assert.deepEqual([stored(file), signals.leftOut, warnings.length], [500, 0, 1]);
});

test('the capture does not wait while another process holds the store, and loses nothing', { timeout: 30_000 }, async () => {
  const { file, flowsFile, queue, warnings } = place();
  const first = queue();
  add(first, 0, 1);
  await first.close(flowsFile, 1);
  const holder = new DatabaseSync(file);
  holder.exec('BEGIN IMMEDIATE');
  const signals = queue();
  const start = performance.now();
  add(signals, 1, 2000);
  await sleep(700);
  assert.ok(performance.now() - start < 1700);
  assert.equal(stored(file), 1);
  holder.exec('COMMIT');
  holder.close();
  await signals.close(flowsFile, 2000);
  assert.deepEqual([stored(file), warnings], [2000, []]);
});
