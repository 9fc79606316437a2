/** Control groups of version 2: group.test.ts in a machine that mounts them, as root and as a user who has a part of the tree. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { QEMU } from '../../../engines/engines.ts';
import { shell } from '../../../engines/job.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const LIMIT_MS = 400_000;

/** What the file needs, where any user can read it. The part of the tree is as systemd gives it to a user's own manager. */
const SCRIPT = `
set -e
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /tmp/c/plugins/engines /tmp/c/test/plugins/engines/limits
cp -r /source/plugins/engines/limits /tmp/c/plugins/engines/
cp /source/test/plugins/engines/limits/group.test.ts /tmp/c/test/plugins/engines/limits/
cp /source/package.json /tmp/c/
cp /node/node /tmp/node
chmod -R a+rX /tmp/c /tmp/node
cd /tmp/c
try() { "$@" /tmp/node --test --test-reporter=tap test/plugins/engines/limits/group.test.ts | sed -n 's/^\\(not ok\\|ok\\|# pass\\|# fail\\)/\\1/p' | sed "s/^/$who: /"; }
places='import("/tmp/c/plugins/engines/limits/hierarchies.ts").then(({ findPlaces }) => console.log(process.argv[1] + ":", JSON.stringify(findPlaces(["memory", "pids", "cpu"]))))'
who=root
/tmp/node --no-warnings -e "$places" root
try env
user=/sys/fs/cgroup/user/app.slice
mkdir -p $user/scope
for folder in /sys/fs/cgroup /sys/fs/cgroup/user $user; do echo '+memory +pids' > $folder/cgroup.subtree_control; done
echo '-cpu' > /sys/fs/cgroup/cgroup.subtree_control
chown 65534:65534 $user $user/* $user/scope $user/scope/*
echo $$ > $user/scope/cgroup.procs
as_user='setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp'
who=user
$as_user /tmp/node --no-warnings -e "$places" user
try $as_user
ls -d /sys/fs/cgroup/mentu-* $user/mentu-* $user/scope/mentu-* 2>/dev/null || echo nothing is left
`;

test('version 2, as root and as a user', { timeout: LIMIT_MS + 60_000 }, async () => {
  const { stdout, stderr } = await shell(QEMU, SCRIPT, {
    network: 'none',
    limits: { cpus: null, memoryMiB: 2048 },
    limitMs: LIMIT_MS,
    mounts: [{ source: ROOT, destination: '/source', readOnly: true }, { source: dirname(process.execPath), destination: '/node', readOnly: true }],
  });
  const lines = stdout.trim().split('\n');
  const place = (parent: string, ...controllers: string[]): string => JSON.stringify([{ version: 2, parent, controllers }]);
  assert.deepEqual(lines.filter((line) => line.includes('[')), [`root: ${place('/sys/fs/cgroup', 'memory', 'pids', 'cpu')}`, `user: ${place('/sys/fs/cgroup/user/app.slice', 'memory', 'pids')}`], stderr);
  for (const who of ['root', 'user']) {
    const told = lines.filter((line) => line.startsWith(`${who}: `));
    assert.deepEqual([told.filter((line) => line.includes('not ok')), told.includes(`${who}: # pass 4`), told.includes(`${who}: # fail 0`)], [[], true, true], stdout + stderr);
  }
  assert.equal(lines.at(-1), 'nothing is left');
});
