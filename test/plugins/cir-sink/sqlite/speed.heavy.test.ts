/** Figures, not thresholds: what writing costs, and how long queries of a large store take. */
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseFilter } from '../../../../core/index.ts';
import { SignalQueue } from '../../../../plugins/cir-sink/queue.ts';
import { openSqliteStore } from '../../../../plugins/cir-sink/sqlite/sqlite-store.ts';
import type { SignalQuery } from '../../../../plugins/cir-sink/store.ts';
import { asCompleted, deniedSample, flowSample } from '../flow-sample.ts';

const ROWS = 100_000;
/** Flows a second, as a busy capture makes them. */
const RATE = 15_000;

let folder: string;
before(() => (folder = mkdtempSync(join(tmpdir(), 'mentu-speed-'))));
after(() => rmSync(folder, { recursive: true, force: true }));

test(`${ROWS} flows at ${RATE}/s through the queue, then queries`, { timeout: 120_000 }, async (t) => {
  const file = join(folder, 'cir.db');
  const queue = new SignalQueue({ file, warn: (message) => assert.fail(message) });
  const flows = Array.from({ length: ROWS }, (_, i) => asCompleted(i % 1000 === 0 ? deniedSample(i) : flowSample(i)));
  const start = performance.now();
  const [cpu, mainCpu] = [process.cpuUsage(), process.threadCpuUsage()];
  let [inTap, longest] = [0, 0];
  for (let i = 0; i < ROWS; ) {
    const due = Math.min(ROWS, Math.floor(((performance.now() - start) * RATE) / 1000));
    const from = performance.now();
    for (; i < due; i++) queue.add(flows[i]!);
    inTap += performance.now() - from;
    longest = Math.max(longest, performance.now() - from);
    await sleep(1);
  }
  const closing = performance.now();
  await queue.close(join(folder, 'flows.jsonl'), ROWS);
  const [all, main] = [process.cpuUsage(cpu), process.threadCpuUsage(mainCpu)];
  const threadMicros = all.user + all.system - main.user - main.system;
  t.diagnostic(`capture thread ${((inTap * 1000) / ROWS).toFixed(1)} µs a flow, longest turn ${longest.toFixed(1)} ms; other threads ${(threadMicros / ROWS).toFixed(1)} µs of CPU a flow; close took ${(performance.now() - closing).toFixed(0)} ms`);
  assert.equal(queue.leftOut, 0);

  const store = await openSqliteStore(file);
  const timed = async (name: string, run: () => Promise<number>): Promise<void> => {
    const from = performance.now();
    const found = await run();
    t.diagnostic(`${name}: ${found} found in ${(performance.now() - from).toFixed(1)} ms`);
  };
  const count = async (items: AsyncIterable<unknown>): Promise<number> => {
    let found = 0;
    for await (const _ of items) found++;
    return found;
  };
  const query = (name: string, each: SignalQuery): Promise<void> => timed(name, () => count(store.query({ limit: 100, ...each })));
  await query('newest 100', {});
  await query('100 of one job', { job: 'job_sample' });
  await query('violations', { type: 'sandbox_violation' });
  await query('a filter that holds for one in a thousand', { where: [parseFilter('outcome=denied')] });
  await query('a filter that holds nowhere, reads all', { where: [parseFilter('status>=500 and host~*.example.com')] });
  await timed('all of them', () => count(store.query({})));
  await timed('first search, with indexing', () => count(store.search({ text: 'evil.test', limit: 100 })));
  await timed('second search', () => count(store.search({ text: 'evil.test', limit: 100 })));
  await timed('stats', async () => (await store.stats()).signals);
  await store.close();
});
