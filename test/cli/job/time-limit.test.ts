import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackOff } from '../../../cli/job/back-off.ts';
import { GRACE_MS, TimeLimit, type Ending } from '../../../cli/job/time-limit.ts';

class Victim implements Ending {
  readonly told: string[] = [];
  signal(name: NodeJS.Signals): void {
    this.told.push(name);
  }
  kill(): void {
    this.told.push('kill');
  }
}

test('when the time has passed the command is asked to end, and ended after the grace', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const limit = new TimeLimit(1000);
  const victim = new Victim();
  limit.target = victim;
  t.mock.timers.tick(5000);
  assert.equal(limit.expired, false, 'the time runs from the start of the command');
  limit.start();
  t.mock.timers.tick(600);
  limit.start();
  t.mock.timers.tick(399);
  assert.deepEqual([limit.expired, victim.told], [false, []]);
  t.mock.timers.tick(1);
  await limit.passed;
  assert.deepEqual([limit.expired, victim.told], [true, ['SIGTERM', 'SIGCONT']]);
  t.mock.timers.tick(GRACE_MS - 1);
  assert.equal(victim.told.length, 2);
  t.mock.timers.tick(1);
  assert.deepEqual(victim.told, ['SIGTERM', 'SIGCONT', 'kill']);
});

test('a guest that starts when the time has passed is ended as well; without a limit none is', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const limit = new TimeLimit(10);
  limit.start();
  t.mock.timers.tick(10);
  const late = new Victim();
  limit.target = late;
  assert.deepEqual(late.told, ['SIGTERM', 'SIGCONT']);
  limit.close();
  t.mock.timers.tick(GRACE_MS);
  assert.equal(late.told.length, 2, 'a closed limit ends nobody');

  const none = new TimeLimit(null);
  const victim = new Victim();
  none.target = victim;
  none.start();
  t.mock.timers.tick(2 ** 31 - 1);
  assert.deepEqual([none.expired, victim.told], [false, []]);
});

test('the wait before a restart doubles up to a minute, and begins anew after a run that went well', () => {
  const backOff = new BackOff();
  const waits = Array.from({ length: 12 }, () => backOff.after(50));
  assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  assert.deepEqual([backOff.after(9_999), backOff.after(10_000), backOff.after(0)], [60_000, 100, 200]);
});
