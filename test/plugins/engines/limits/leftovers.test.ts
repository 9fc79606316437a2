/** What is left of control groups however a job ends, and how the next one finds it. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NO_LIMITS } from '../../../../plugins/engines/engine.ts';
import { LimitGroup } from '../../../../plugins/engines/limits/group.ts';
import { findPlaces } from '../../../../plugins/engines/limits/hierarchies.ts';
import { newGroupName, sweepLeftovers } from '../../../../plugins/engines/limits/leftovers.ts';
import { until } from '../../../engines/job.ts';
import { descendants } from '../../../stage/process-tree.ts';

const HOST = join(import.meta.dirname, '../../../engines/host.ts');
const LIMITS = { cpus: 1, memoryMiB: 256 };
const PARENTS = findPlaces(['memory', 'pids', 'cpu']).map(({ parent }) => parent);

function groupsOf(pid: number): string[] {
  return PARENTS.flatMap((parent) => readdirSync(parent).filter((name) => new RegExp(`^mentu-\\d+-${pid}-`).test(name)).map((name) => join(parent, name)));
}

async function withGuest(use: (host: ChildProcess, groups: readonly string[]) => Promise<void>): Promise<void> {
  const spec = { command: 'sleep', args: ['60'], network: 'none', limits: LIMITS };
  const host = spawn(process.execPath, ['--no-warnings', HOST, 'namespace', JSON.stringify(spec)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  try {
    await once(host, 'message');
    const groups = groupsOf(host.pid!);
    assert.equal(groups.length, PARENTS.length);
    for (const group of groups) assert.ok(readFileSync(join(group, 'cgroup.procs'), 'utf8').trim().split('\n').length >= 2, 'the init of the guest and its command are in it');
    await use(host, groups);
  } finally {
    host.kill('SIGKILL');
  }
}

const gone = (groups: readonly string[]): Promise<void> => until('the groups are gone', () => !groups.some((group) => existsSync(group)));

test('kill -9 of the host process: the helper removes them', async () => {
  await withGuest(async (host, groups) => {
    host.kill('SIGKILL');
    await gone(groups);
  });
});

test('kill -9 of the helper: the host process removes them', async () => {
  await withGuest(async (host, groups) => {
    process.kill(descendants(host.pid!)[0]!.pid, 'SIGKILL');
    await gone(groups);
  });
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} to a host process that does not handle it: they are removed`, async () => {
    await withGuest(async (host, groups) => {
      host.kill(signal);
      await gone(groups);
    });
  });
}

test('kill -9 of both: the groups are empty, and the next job removes them', async () => {
  await withGuest(async (host, groups) => {
    const below = descendants(host.pid!);
    process.kill(host.pid!, 'SIGSTOP'); // it is not to be faster
    process.kill(below[0]!.pid, 'SIGKILL');
    host.kill('SIGKILL');
    await once(host, 'exit');
    await until('the guest is gone', () => groups.every((group) => readFileSync(join(group, 'cgroup.procs'), 'utf8') === ''));
    assert.ok(groups.every((group) => existsSync(group)), 'nobody was there to remove them');
    const mine = LimitGroup.open(LIMITS);
    try {
      assert.deepEqual(groups.filter((group) => existsSync(group)), []);
      assert.equal(mine.folders.length, PARENTS.length);
    } finally {
      await mine.close();
    }
    assert.deepEqual(mine.folders.filter((folder) => existsSync(folder)), []);
  });
});

test("a job's groups are safe from the sweep of another while it lives, and from every sweep while they have processes", async () => {
  const first = LimitGroup.open(NO_LIMITS);
  const second = LimitGroup.open(NO_LIMITS);
  assert.deepEqual(first.folders.filter((folder) => !existsSync(folder)), []);
  await Promise.all([first.close(), second.close()]);
  const [parent] = PARENTS;
  if (parent === undefined) return assert.deepEqual(first.folders, [], 'a user who can make none');
  const name = newGroupName();
  const ours = name.split('-');
  const names = {
    'of another pid namespace, whose processes are not to be seen': ['mentu', '1', ...ours.slice(2)].join('-'),
    'of a process that lives': name,
    'of nobody of ours': `${name}-more`,
  };
  const ended = ['mentu', ours[1], ours[2], '1', ours[4]].join('-');
  for (const each of [...Object.values(names), ended]) mkdirSync(join(parent, each));
  const sleeper = spawn('sleep', ['60']);
  try {
    writeFileSync(join(parent, ended, 'cgroup.procs'), `${sleeper.pid}`);
    sweepLeftovers(parent);
    assert.ok(existsSync(join(parent, ended)), 'it has a process');
    sleeper.kill();
    await once(sleeper, 'exit');
    sweepLeftovers(parent);
    assert.equal(existsSync(join(parent, ended)), false);
    for (const [what, each] of Object.entries(names)) assert.ok(existsSync(join(parent, each)), what);
  } finally {
    sleeper.kill();
    for (const each of Object.values(names)) rmdirSync(join(parent, each));
  }
});
