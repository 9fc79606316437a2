import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ingestFlows, type IngestReport } from '../../../plugins/cir-sink/ingest.ts';
import { openSqliteStore } from '../../../plugins/cir-sink/sqlite/sqlite-store.ts';
import type { SignalStore } from '../../../plugins/cir-sink/store.ts';
import { asLines, deniedSample, flowSample } from './flow-sample.ts';

let folder: string;
let store: SignalStore;
let count = 0;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mentu-ingest-'));
  store = await openSqliteStore(join(folder, 'cir.db'));
});
after(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function ingest(content: string | Buffer): Promise<IngestReport & { told: [number, string][] }> {
  const file = join(folder, `${count++}.jsonl`);
  writeFileSync(file, content);
  const told: [number, string][] = [];
  const report = await ingestFlows(file, store, { onBadLine: (line, reason) => told.push([line, reason]) });
  return { ...report, told };
}

const samples = (job: string, number: number): string => asLines(Array.from({ length: number }, (_, i) => flowSample(i, {}, job)));

test('stores flows and violations; a second time adds nothing', async () => {
  const content = samples('job_twice', 2500) + asLines([deniedSample(1, 'job_twice_v')]);
  assert.deepEqual(await ingest(content), { flows: 2501, added: 2502, bad: 0, torn: null, told: [] });
  const before = await store.stats();
  assert.deepEqual(await ingest(content), { flows: 2501, added: 0, bad: 0, torn: null, told: [] });
  assert.deepEqual({ ...(await store.stats()), size: 0 }, { ...before, size: 0 });
});

test('a torn last line is told of and left out; one without its newline that is whole is taken', async () => {
  const content = samples('job_torn', 3);
  const torn = await ingest(content.slice(0, -100));
  assert.deepEqual([torn.flows, torn.bad, torn.torn], [2, 0, 3]);
  assert.deepEqual(torn.told, [[3, 'it breaks off; the capture ended while it was written']]);
  const whole = await ingest(content.trimEnd());
  assert.deepEqual([whole.flows, whole.added, whole.torn], [3, 1, null]);
});

test('names each bad line by its number and why, and takes the rest', async () => {
  const good = (i: number): string => JSON.stringify(flowSample(i, {}, 'job_bad'));
  const but = (change: Record<string, unknown>): string => JSON.stringify({ ...flowSample(50, {}, 'job_bad'), ...change });
  const { flows, bad, told } = await ingest(
    [
      good(1), '{"half":', good(2), '[]', 'null', '{}', but({ version: 2 }), '', but({ id: '' }), but({ timestamp: 'soon' }), but({ request: { method: 'GET' } }),
      but({ annotations: { p: 1 } }), but({ violation: { id: 'v' } }), '\u0000\u0000', good(3),
    ].join('\n') + '\n',
  );
  assert.deepEqual([flows, bad], [3, 11]);
  assert.deepEqual(told.map(([line]) => line), [2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14]);
  const reasons = told.map(([, reason]) => reason);
  assert.match(reasons[0]!, /^it is not JSON: /);
  assert.match(reasons[1]!, /^it is no object$/);
  assert.match(reasons[3]!, /"version" is missing/);
  assert.match(reasons[4]!, /newer version of this program \(record version 2, known here: 1\)/);
  assert.match(reasons[5]!, /"id" is to be an id/);
  assert.match(reasons[6]!, /"timestamp" is to be a time/);
  assert.match(reasons[7]!, /"request.url" is to be a text/);
  assert.match(reasons[8]!, /"annotations" is to be an object of objects/);
  assert.match(reasons[9]!, /"violation.rule" is to be a text/);
});

test('a line beyond the limit is refused by number, and the next is taken', async () => {
  const long = Buffer.concat([Buffer.alloc(65 * 1024 * 1024, 'x'), Buffer.from(`\n${asLines([flowSample(1, {}, 'job_long')])}`)]);
  const { flows, bad, told } = await ingest(long);
  assert.deepEqual([flows, bad, told], [1, 1, [[1, 'it is longer than 64 MiB']]]);
});

test('every change of a record\'s type is refused or stored, never thrown', async () => {
  const record = deniedSample(1, 'job_types') as unknown as Record<string, unknown>;
  const wrong: unknown[] = [null, 1, 'x', true, [], {}, [[]], [['a']]];
  const lines: string[] = [];
  for (const key of Object.keys(record)) {
    for (const value of wrong) {
      lines.push(JSON.stringify({ ...record, [key]: value }));
      const inner = record[key];
      if (typeof inner !== 'object' || inner === null) continue;
      for (const innerKey of Object.keys(inner)) lines.push(JSON.stringify({ ...record, [key]: { ...inner, [innerKey]: value } }));
    }
  }
  const { flows, bad } = await ingest(`${lines.join('\n')}\n`);
  assert.equal(flows + bad, lines.length);
  assert.ok(bad > 100);
});
