import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Exchange, readTally } from '../../../bench/protocols/exchange.ts';

test('the tally of a clean run', () => {
  assert.deepEqual(readTally('{"answered":1200,"count":1000,"seconds":2,"failure":null}\n'), { answered: 1200, count: 1000, seconds: 2, failure: null });
});

test('words before the tally are no part of it', () => {
  assert.equal(readTally('(node:1) Warning: something\n{"answered":3,"count":2,"seconds":1,"failure":null}\n').count, 2);
});

test('a failure is told, and a run without any answer is one', () => {
  assert.equal(readTally('{"answered":5,"count":5,"seconds":1,"failure":"stalled after 5 answers"}\n').failure, 'stalled after 5 answers');
  assert.equal(readTally('{"answered":0,"count":0,"seconds":1,"failure":null}\n').failure, 'no answer');
  for (const text of ['', 'Killed\n', '{"count":1}\n', 'null\n', '{"answered":1,"count":1,"seconds":0,"failure":null}\n']) assert.match(readTally(text).failure!, /^the client told nothing/);
});

test('an exchange ends when its time is up and all that was asked is answered', async () => {
  const exchange = new Exchange({ seconds: 0.05 });
  assert.ok(exchange.ask());
  assert.ok(exchange.ask());
  exchange.begin();
  exchange.answered();
  let over = false;
  const tally = exchange.tally().then((result) => ((over = true), result));
  await new Promise((resolve) => setTimeout(resolve, 1700));
  assert.equal(exchange.ask(), false);
  assert.equal(over, false);
  exchange.answered();
  assert.deepEqual(await tally, { answered: 2, count: 0, seconds: 0.05, failure: null });
});

test('an exchange that fails says why', async () => {
  const exchange = new Exchange({ seconds: 10 });
  exchange.fail('it was closed');
  assert.equal((await exchange.tally()).failure, 'it was closed');
});
