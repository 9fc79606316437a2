/** Unpacked images where several jobs want one at once, and where one is killed half-way. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { text } from 'node:stream/consumers';
import { openRootfs } from '../../../../plugins/engines/rootfs/image.ts';
import { TestFolder, imageTar, tarOf } from '../../../stage/image.ts';

const FILES = 4000;
const WAIT_MS = 30_000;
const MODULE = new URL('../../../../plugins/engines/rootfs/image.ts', import.meta.url).href;

const folder = new TestFolder();
after(() => folder.close());
let image = '';
before(async () => {
  const files = Array.from({ length: FILES }, (_, index) => ({ name: `d${index % 50}/f${index}`, content: `${index}` }));
  image = folder.file('image.tar', await imageTar([await tarOf(files)], { compression: 'gzip' }));
});

/** A process of its own that opens the image, says when it unpacks, and what it has. */
function opener(cache: string): ChildProcess {
  const script = `import { openRootfs } from ${JSON.stringify(MODULE)};
    const { folder } = await openRootfs(process.argv[1], process.argv[2], { unpacking: () => console.log('unpacking') });
    console.log(folder);`;
  return spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script, image, cache], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function until(holds: () => boolean): Promise<void> {
  for (const start = Date.now(); !holds(); await new Promise((resolve) => setTimeout(resolve, 2))) assert.ok(Date.now() - start < WAIT_MS, 'in time');
}

const filesIn = (path: string): number => readdirSync(path, { recursive: true }).length;
const unfinished = (cache: string): string[] => readdirSync(cache).filter((name) => name.startsWith('.unpacking-'));

test('jobs that want an image at once all get the one that the first has unpacked', async () => {
  const cache = folder.at('shared');
  const first = opener(cache);
  const told = text(first.stdout!);
  mkdirSync(cache, { mode: 0o700, recursive: true });
  await until(() => unfinished(cache).length > 0);
  const others = await Promise.all([1, 2, 3].map(() => text(opener(cache).stdout!)));
  const [, path] = (await told).trim().split('\n');
  assert.deepEqual(others, [1, 2, 3].map(() => `${path}\n`));
  assert.equal(filesIn(path!), FILES + 50);
  assert.deepEqual(readdirSync(cache).length, 1);
});

test('jobs of one process that begin in the same moment do not collide', async () => {
  const opened = await Promise.all([1, 2, 3].map(() => openRootfs(image, folder.at('same'))));
  assert.equal(new Set(opened.map((each) => each.folder)).size, 1);
  assert.equal(filesIn(opened[0]!.folder), FILES + 50);
  assert.equal(readdirSync(folder.at('same')).length, 1);
});

test('what a killed job has unpacked is not taken for whole, and is removed by the next', async () => {
  const cache = folder.at('killed');
  mkdirSync(cache, { mode: 0o700 });
  const killed = opener(cache);
  const ended = new Promise((resolve) => killed.once('exit', (_, signal) => resolve(signal)));
  await until(() => unfinished(cache).some((name) => filesIn(folder.at('killed', name)) > 100));
  killed.kill('SIGKILL');
  assert.equal(await ended, 'SIGKILL');
  assert.equal(unfinished(cache).length, 1, 'it was killed half-way');
  assert.equal(readdirSync(cache).length, 1, 'nothing is there under the image\'s id');
  const { folder: path } = await openRootfs(image, cache);
  assert.equal(filesIn(path), FILES + 50);
  assert.deepEqual(unfinished(cache), []);
});

test('an unpacking of a process that cannot be seen is left for a day', async () => {
  const cache = folder.at('foreign');
  const [fresh, old] = ['1-1-1-fresh', '1-1-1-old'].map((name) => folder.at('foreign', `.unpacking-${'0'.repeat(64)}-${name}`)) as [string, string];
  for (const path of [fresh, old]) mkdirSync(`${path}/etc`, { recursive: true, mode: 0o700 });
  utimesSync(old, 1e9, 1e9);
  await openRootfs(image, cache);
  assert.deepEqual(unfinished(cache).map((name) => folder.at('foreign', name)), [fresh]);
});

test('an unpacking that fails leaves nothing', async () => {
  const cache = folder.at('failed');
  await assert.rejects(openRootfs(image, cache, { limits: { entries: 1000, bytes: 1e9 } }), { code: 'engine_image_invalid', message: /more than 1000 files/ });
  assert.deepEqual(readdirSync(cache), []);
});
