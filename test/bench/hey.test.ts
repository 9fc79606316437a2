import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSummary } from '../../bench/hey.ts';

const SUMMARY = `
Summary:
  Total:	4.0082 secs
  Slowest:	0.1169 secs
  Requests/sec:	2836.3799

Latency distribution:
  10% in 0.0031 secs
  50% in 0.0061 secs
  99% in 0.0367 secs

Status code distribution:
  [200]	11436 responses
`;

test('the summary of a clean run', () => {
  const result = readSummary(SUMMARY);
  assert.equal(result.requests, 11_436);
  assert.equal(Math.round(result.perSecond), 2853);
  assert.equal(result.p50.toFixed(1), '6.1');
  assert.equal(result.p99.toFixed(1), '36.7');
  assert.equal(result.failure, null);
});

test('answers other than 200, and errors, are failures in hey\'s words', () => {
  const broken = SUMMARY.replace('[200]\t11436 responses', '[200]\t11000 responses\n  [502]\t436 responses') + '\nError distribution:\n  [3]\tGet "https://localhost/": EOF\n';
  const { requests, failure } = readSummary(broken);
  assert.equal(requests, 11_000);
  assert.match(failure ?? '', /^436 × 502; \[3\]\tGet .* EOF$/);
});

test('a run without any answer is a failure', () => {
  assert.match(readSummary('').failure ?? '', /no answer/);
});
