/** Runs of chaos, and what must hold after each: one record for every flow that began, and nothing left open. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FlowRecord } from '../../../core/index.ts';
import { Stage } from '../../stage/captured.ts';
import { Seed } from '../../stage/seed.ts';
import { soon, until } from '../../stage/wire.ts';
import { chaosClient, chaosOrigins } from './chaos.ts';

/** The ids of flows count up: none may be missing, none twice. */
function assertOneRecordEach(records: readonly FlowRecord[]): void {
  const numbers = records.map(({ id }) => parseInt(id.slice(id.lastIndexOf('_') + 1), 36)).sort((a, b) => a - b);
  assert.deepEqual(numbers, Array.from({ length: numbers.length }, (_, i) => i + 1));
}

const resources = (): string[] => process.getActiveResourcesInfo().filter((name) => /TCP|TLS|HTTP|Timeout|FSReq/i.test(name)).sort();

async function leavesNothing(act: () => Promise<void>): Promise<void> {
  const before = resources().length;
  await act();
  await until(`nothing is left open: ${resources()}`, () => resources().length <= before);
}

/** So many clients come, and all leave in the end. */
export function everyoneLeaves(seed: number, clients = 80): Promise<void> {
  return leavesNothing(async () => {
    const random = new Seed(seed);
    const origins = await chaosOrigins(random);
    const stage = await Stage.open({ ...origins.hosts, 'gone.test': '127.0.0.1:1' });
    const all = Array.from({ length: clients }, async (_, i) => {
      await sleep(i * 4);
      await chaosClient(stage, random);
    });
    await soon('the clients', Promise.all(all), 30_000);
    await origins.close();
    let count = -1;
    await until('the last record', () => {
      const isSettled = stage.records.length === count;
      count = stage.records.length;
      return isSettled;
    });
    await soon('the end of the capture', stage.close(), 10_000);
    assertOneRecordEach(stage.records);
    // Who gave up before its tunnel stood has asked for nothing: with a thousand of them, a busy machine is too slow for some.
    const recorded = new Set(stage.records.map(({ client }) => client.port));
    assert.deepEqual(stage.tunnels.filter((port) => !recorded.has(port)), []);
    assert.ok(stage.tunnels.length > 0);
    assert.deepEqual(stage.failures, []);
  });
}

/** The capture ends while clients are at work and others still come. */
export function captureEnds(seed: number): Promise<void> {
  return leavesNothing(async () => {
    const random = new Seed(seed);
    const origins = await chaosOrigins(random);
    const stage = await Stage.open({ ...origins.hosts, 'gone.test': '127.0.0.1:1' });
    const all = Array.from({ length: 50 }, async (_, i) => {
      await sleep(i * 2);
      await chaosClient(stage, random);
    });
    await sleep(20 + random.below(100));
    await soon('the end of the capture', stage.capture.close(), 10_000);
    const taken = stage.records.length;
    assertOneRecordEach(stage.records);
    await soon('the clients', Promise.all(all), 30_000);
    await sleep(50);
    assert.equal(stage.records.length, taken, 'no record comes after the end');
    await stage.close();
    await origins.close();
  });
}
