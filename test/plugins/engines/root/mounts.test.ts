import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MentuError } from '../../../../core/index.ts';
import type { Mount } from '../../../../plugins/engines/engine.ts';
import { planMounts } from '../../../../plugins/engines/root/mounts.ts';
import type { PlannedMount } from '../../../../plugins/engines/root/plan.ts';

let folder = '';
before(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'mounts-test-')));
  mkdirSync(join(folder, 'project', 'sub', '.mentu'), { recursive: true });
  mkdirSync(join(folder, 'project', 'jobs', 'one'), { recursive: true });
  mkdirSync(join(folder, 'project', 'data'));
  mkdirSync(join(folder, 'empty'));
  writeFileSync(join(folder, 'project', 'file'), '');
  symlinkSync(join(folder, 'project'), join(folder, 'link'));
});
after(() => rmSync(folder, { recursive: true }));

const at = (...names: string[]): string => join(folder, ...names);
const mount = (source: string, destination: string, readOnly = true): Mount => ({ source, destination, readOnly });

function plan(mounts: readonly Mount[], hiddenPaths: readonly string[] = []): Promise<PlannedMount[]> {
  return planMounts({ mounts, maskedNames: ['.mentu', 'mentu.yaml'], hiddenPaths });
}

async function refused(mounts: readonly Mount[], reason: RegExp, hiddenPaths: readonly string[] = []): Promise<void> {
  await assert.rejects(plan(mounts, hiddenPaths), (error) => {
    assert.ok(error instanceof MentuError);
    assert.match(error.message, reason);
    return true;
  });
}

test('sources are real paths, and outer mounts come before inner ones', async () => {
  const planned = await plan([mount(at('empty'), '/work/inner'), mount(at('link'), '/work')]);
  assert.deepEqual(planned.map(({ source, destination }) => [source, destination]), [[at('project'), '/work'], [at('empty'), '/work/inner']]);
});

test('hidden paths are masked wherever a mount would show them, by whatever name they are given', async () => {
  const [planned] = await plan([mount(at('project'), '/work')], [at('link', 'jobs'), at('project', 'jobs', 'one'), at('empty')]);
  assert.deepEqual(planned!.masks.toSorted((a, b) => (a.path < b.path ? -1 : 1)), [{ path: 'jobs', directory: true }, { path: 'sub/.mentu', directory: true }]);
});

test('what a masked link leads to is masked where it lies in a share', async () => {
  symlinkSync(at('project', 'data'), at('project', 'mentu.yaml'));
  const [planned] = await plan([mount(at('project'), '/work')]);
  rmSync(at('project', 'mentu.yaml'));
  assert.ok(planned!.masks.some(({ path }) => path === 'data'));
});

test('a mount whose way leads through a link of the mount that it lies in is refused: the link may lead anywhere on the host', async () => {
  symlinkSync('/oldroot/etc', at('project', 'planted'));
  symlinkSync('data', at('project', 'alias'));
  for (const way of ['planted', 'planted/made', 'alias/deep', 'data/../planted/x']) {
    for (const readOnly of [true, false]) await refused([mount(at('project'), '/work', readOnly), mount(at('empty'), `/work/${way}`)], /lies in the mount of .*project, where .*\/(planted|alias) is a link/);
  }
  await refused([mount(at('project', 'file'), '/work/planted/file'), mount(at('empty'), '/work/data'), mount(at('project'), '/work')], /where .*planted is a link/);
  assert.equal((await plan([mount(at('project'), '/work'), mount(at('empty'), '/work/data/x'), mount(at('empty'), '/work/new/y'), mount(at('empty'), '/work/file/z')])).length, 4);
  for (const name of ['planted', 'alias']) rmSync(at('project', name));
});

test('mounts that would break the guest open are refused, with the reason', async () => {
  await refused([mount('relative', '/work')], /source must be an absolute path/);
  await refused([mount(at('empty'), 'relative')], /destination must be an absolute path/);
  await refused([mount(at('empty'), '/work/../..')], /destination must be an absolute path/);
  await refused([mount(at('nowhere'), '/work')], /ENOENT/);
  await refused([mount('/', '/work')], /whole root/);
  await refused([mount('/proc/self', '/work')], /lies in \/proc/);
  await refused([mount(at('empty'), '/dev/shm')], /lies in \/dev/);
  await refused([mount(at('project', 'sub', '.mentu'), '/work')], /lies in \.mentu/);
  await refused([mount(at('project', 'jobs', 'one'), '/work')], /never see what lies in/, [at('project', 'jobs')]);
  await refused([mount(at('empty'), '/work'), mount(at('project'), '/work')], /two mounts have this destination/);
  execFileSync('mkfifo', [at('fifo')]);
  await refused([mount(at('fifo'), '/work')], /neither a folder nor a regular file/);
});

test('a hidden path that is not there is refused: a guest could create it', async () => {
  await refused([mount(at('project'), '/work', false)], /is to be hidden .* does not exist/, [at('link', 'sub', 'not', 'yet')]);
  assert.equal((await plan([mount(at('empty'), '/work', false)], [at('project', 'not-yet')])).length, 1);
});

test('a writable share is not shown twice where a cover could be moved away', async () => {
  await refused([mount(at('project'), '/work', false), mount(at('project', 'data'), '/data')], /shares a tree/);
  await refused([mount(at('project'), '/work', false), mount(at('project'), '/again')], /shares a tree/);
  await plan([mount(at('project'), '/work'), mount(at('project', 'data'), '/data')]);
  await plan([mount(at('project'), '/work', false), mount(at('empty'), '/data', false)]);
});
