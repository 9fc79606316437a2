/** Bodies of 64 MiB through the guest, both ways and both versions. `transfer.heavy.test.ts` has a GiB. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { transfer, transferStage } from './stage/transfer.ts';
import type { Stage } from './stage/stage.ts';

const SIZE = 64 * 1024 * 1024;
const GROWTH_MIB = 100;
let stage: Stage;

before(async () => (stage = await transferStage()));
after(() => stage.close());

for (const http of ['1.1', '2'] as const) {
  for (const direction of ['download', 'upload'] as const) {
    test(`${direction} of 64 MiB over HTTP/${http}`, { timeout: 60_000 }, async (t) => {
      const growth = await transfer(stage, { direction, http, size: SIZE, timeout: 40_000 });
      t.diagnostic(`peak of resident memory above the start: ${growth.toFixed(0)} MiB`);
      assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
    });
  }
}
