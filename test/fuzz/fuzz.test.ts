/**
 * Mutated bytes at every parser of ours: no crash, no hang, no growth. Ten thousand inputs each; `npm run fuzz` sets
 * FUZZ_INPUTS to a million. FUZZ_SEED repeats a run, FUZZ_TARGET picks one parser.
 */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mutated, randomFrom } from './mutation.ts';
import type { FuzzTarget } from './target.ts';

const INPUTS = Number(process.env['FUZZ_INPUTS'] ?? 10_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_123);
/** Milliseconds that one input may take: a thousand times what any takes. */
const LONGEST = 2_000;
/** Bytes that the heap may have grown by when all inputs are gone. */
const GROWTH = 32 * 1024 * 1024;
/** Inputs between two turns of the event loop. */
const BATCH = 1000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const files = globSync('targets/*.ts', { cwd: import.meta.dirname }).sort();
const targets = await Promise.all(files.map(async (file) => ((await import(join(import.meta.dirname, file))) as { default: FuzzTarget }).default));
const wanted = process.env['FUZZ_TARGET'];

test('there are parsers to feed', () => assert.ok(targets.length > 0));

for (const target of targets) {
  if (wanted !== undefined && wanted !== target.name) continue;
  test(`${target.name}: ${INPUTS} mutated inputs (seed ${SEED})`, async (t) => {
    const random = randomFrom(SEED);
    for (const input of target.inputs) target.parse(input, random);
    const heap = async (): Promise<number> => {
      // What was put off to a later turn holds on to its inputs until then.
      for (let turns = 0; turns < 3; turns++) {
        await turn();
        collect();
      }
      return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    };
    let before = 0;
    for (let count = 0; count < INPUTS; count++) {
      // What is made once, such as tables, is there after the first batch.
      if (count === Math.min(BATCH, INPUTS - 1)) before = await heap();
      if (count % BATCH === 0) await turn();
      const input = mutated(target.inputs, random);
      const start = performance.now();
      try {
        target.parse(input, random);
      } catch (error) {
        assert.fail(`input ${count}, in base64: ${input.toString('base64')}\n${(error as Error).stack}`);
      }
      const took = performance.now() - start;
      assert.ok(took < LONGEST, `input ${count} took ${Math.round(took)} ms, in base64: ${input.toString('base64')}`);
    }
    const growth = (await heap()) - before;
    t.diagnostic(`${target.name}: the heap grew by ${(growth / 1024 / 1024).toFixed(1)} MiB`);
    assert.ok(growth < GROWTH, `the heap grew by ${growth} bytes`);
  });
}
