/** The suite is run for the engines that the machine has; this says which, and that none is left out without need. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ENGINE_NAMES } from '../../cli/engines.ts';
import { ENGINES, EXAMINED } from './engines.ts';

const PLUGINS = join(import.meta.dirname, '../../plugins/engines');

test('every engine of the program has its entry', () => {
  const made = readdirSync(PLUGINS).filter((name) => existsSync(join(PLUGINS, name, 'engine.ts')));
  const tried = EXAMINED.map(({ engine }) => engine.name as string);
  assert.deepEqual([made.sort(), [...ENGINE_NAMES].sort()], [tried.sort(), tried.sort()]);
});

for (const { engine, lacking } of EXAMINED) {
  // The set-up of the tests installs what is missing as root; what no set-up can mend is another processor or a device.
  const mendable = process.getuid!() === 0 && !/virtual machine|\/dev\/net\/tun/.test(lacking ?? '');
  test(`${engine.name} is tried`, { skip: lacking !== null && !mendable && `this machine cannot: ${lacking}` }, async () => {
    assert.equal(lacking, null);
    assert.ok(ENGINES.includes(engine));
    const made = await engine.make();
    assert.deepEqual([made.name, made.boundary], [engine.name, engine.boundary]);
    assert.deepEqual((await made.examine()).filter(({ ok }) => !ok), []);
  });
}
