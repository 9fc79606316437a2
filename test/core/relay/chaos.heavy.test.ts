/** Many runs of chaos, under seeds that are new each time and named where they fail. */
import { test } from 'node:test';
import { captureEnds, everyoneLeaves } from './chaos-runs.ts';

const first = Date.now();
for (let seed = first; seed < first + 30; seed++) {
  test(`all clients leave in the end (seed ${seed})`, () => everyoneLeaves(seed));
  test(`the capture ends in the midst of it (seed ${seed})`, () => captureEnds(seed));
}

test('a thousand clients at once', () => everyoneLeaves(first, 1000));
