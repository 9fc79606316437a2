import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findPlaces, hierarchiesOf } from '../../../../plugins/engines/limits/hierarchies.ts';

const mount = (root: string, point: string, type: string, options: string): string => `31 23 0:28 ${root} ${point} rw,relatime shared:5 - ${type} ${type} ${options}`;

test('the hierarchies of systems as they are: version 1, version 2, both, in containers', () => {
  const first = { mounts: ['24 1 8:1 / / rw - ext4 /dev/sda1 rw', mount('/', '/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'), mount('/', '/sys/fs/cgroup/pids', 'cgroup', 'rw,pids'), mount('/', '/sys/fs/cgroup/systemd', 'cgroup', 'rw,name=systemd')].join('\n'), groups: '3:name=systemd:/init.scope\n2:cpu,cpuacct:/\n1:pids:/user.slice/session-1.scope\n' };
  assert.deepEqual(hierarchiesOf(first), [
    { version: 1, controllers: ['cpu', 'cpuacct'], mountPoint: '/sys/fs/cgroup/cpu,cpuacct', own: '/sys/fs/cgroup/cpu,cpuacct' },
    { version: 1, controllers: ['pids'], mountPoint: '/sys/fs/cgroup/pids', own: '/sys/fs/cgroup/pids/user.slice/session-1.scope' },
    { version: 1, controllers: ['name=systemd'], mountPoint: '/sys/fs/cgroup/systemd', own: '/sys/fs/cgroup/systemd/init.scope' },
  ]);
  const second = { mounts: mount('/', '/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate'), groups: '0::/user.slice/user-1000.slice/user@1000.service/app.slice/a\\x2db.scope\n' };
  assert.deepEqual(hierarchiesOf(second), [{ version: 2, controllers: [], mountPoint: '/sys/fs/cgroup', own: '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/a\\x2db.scope' }]);
  const container = { mounts: [mount('/docker/abc', '/sys/fs/cgroup/pids', 'cgroup', 'ro,pids'), mount('/docker/abc', '/sys/fs/cgroup/my\\040place', 'cgroup2', 'rw')].join('\n'), groups: '1:pids:/docker/abc\n0::/docker/abc/inner\n' };
  assert.deepEqual(hierarchiesOf(container).map(({ own }) => own), ['/sys/fs/cgroup/pids', '/sys/fs/cgroup/my place/inner']);
  const elsewhere = { mounts: mount('/docker/abc', '/sys/fs/cgroup', 'cgroup2', 'rw'), groups: '0::/docker/abcdef\n' };
  assert.deepEqual(hierarchiesOf(elsewhere), [], 'a mount that does not show our group');
  assert.deepEqual(hierarchiesOf({ mounts: '24 1 8:1 / / rw - ext4 /dev/sda1 rw', groups: '0::/\n' }), []);
});

/** Folders with the files of version 2, in which writing changes what is written and nothing else. */
class Tree {
  readonly root = mkdtempSync(join(tmpdir(), 'hierarchy-test-'));

  constructor(t: TestContext) {
    t.after(() => rmSync(this.root, { recursive: true }));
  }

  group(path: string, available: string, working: string): string {
    const folder = join(this.root, path);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'cgroup.procs'), '');
    if (path !== '.') writeFileSync(join(folder, 'cgroup.type'), 'domain\n');
    writeFileSync(join(folder, 'cgroup.controllers'), `${available}\n`);
    writeFileSync(join(folder, 'cgroup.subtree_control'), `${working}\n`);
    return folder;
  }


  files(own: string) {
    return { mounts: mount('/', this.root, 'cgroup2', 'rw'), groups: `0::${own}\n` };
  }
}

test('version 2: the nearest folder where all works, else where most does', (t) => {
  const tree = new Tree(t);
  tree.group('.', 'cpu memory pids', 'cpu memory pids');
  const user = tree.group('user', 'cpu memory pids', 'cpu memory pids');
  const app = tree.group('user/app', 'cpu memory pids', 'memory pids');
  tree.group('user/app/scope', 'memory pids', '');
  const own = tree.files('/user/app/scope');
  const place = (parent: string, ...controllers: string[]) => [{ version: 2, parent, controllers }];
  writeFileSync(join(app, 'cgroup.controllers'), 'memory pids\n');
  writeFileSync(join(tree.root, 'user/app/scope/cgroup.controllers'), '\n');
  assert.deepEqual(findPlaces(['memory', 'pids'], own), place(app, 'memory', 'pids'));
  assert.deepEqual(findPlaces(['pids', 'cpu'], own), place(user, 'pids', 'cpu'));
  writeFileSync(join(app, 'cgroup.controllers'), 'cpu memory pids\n');
  assert.deepEqual(findPlaces(['pids', 'cpu'], own), place(app, 'pids', 'cpu'));
  assert.equal(readFileSync(join(app, 'cgroup.subtree_control'), 'utf8'), '+cpu', 'asked to work');
  writeFileSync(join(app, 'cgroup.procs'), '17\n');
  assert.deepEqual(findPlaces(['pids', 'cpu'], own), place(user, 'pids', 'cpu'), 'one with processes is left alone');
  for (const folder of [user, tree.root]) writeFileSync(join(folder, 'cgroup.procs'), '18\n');
  assert.deepEqual(findPlaces(['pids', 'cpu'], own), place(tree.root, 'pids', 'cpu'), 'but the topmost');
  for (const folder of [app, user, tree.root]) writeFileSync(join(folder, 'cgroup.procs'), '');
  if (process.getuid!() === 0) return; // whom no mode keeps out
  for (const folder of [user, tree.root]) chmodSync(folder, 0o555);
  writeFileSync(join(app, 'cgroup.controllers'), 'memory pids\n');
  assert.deepEqual(findPlaces(['pids', 'cpu'], own), place(app, 'pids'), 'the rest is not ours');
});

test('version 1 is taken where it has the controller, and version 2 for the rest', (t) => {
  const tree = new Tree(t);
  tree.group('pids/mine', '', '');
  const unified = tree.group('unified', 'memory', 'memory');
  rmSync(join(unified, 'cgroup.type'));
  const mounts = [mount('/', join(tree.root, 'pids'), 'cgroup', 'rw,pids'), mount('/', join(tree.root, 'unified'), 'cgroup2', 'rw')].join('\n');
  assert.deepEqual(findPlaces(['memory', 'pids', 'cpu'], { mounts, groups: '1:pids:/mine\n0::/\n' }), [
    { version: 1, parent: join(tree.root, 'pids/mine'), controllers: ['pids'] },
    { version: 2, parent: join(tree.root, 'unified'), controllers: ['memory'] },
  ]);
  assert.deepEqual(findPlaces(['pids'], { mounts, groups: '1:pids:/gone\n0::/\n' }), [], 'a group that is not there');
});
