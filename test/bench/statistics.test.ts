import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, percentile } from '../../bench/statistics.ts';

test('medians and percentiles, in any order', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(percentile([10, 20], 75), 17.5);
  assert.equal(percentile([5], 99), 5);
  assert.ok(Number.isNaN(median([])));
});
