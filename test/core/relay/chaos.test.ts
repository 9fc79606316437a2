/** Whatever clients and origins do, each flow that began ends in exactly one record, and nothing stays open. */
import { test } from 'node:test';
import { captureEnds, everyoneLeaves } from './chaos-runs.ts';

for (const seed of [1, 2, 3]) {
  test(`all clients leave in the end (seed ${seed})`, () => everyoneLeaves(seed));
  test(`the capture ends in the midst of it (seed ${seed})`, () => captureEnds(seed));
}
