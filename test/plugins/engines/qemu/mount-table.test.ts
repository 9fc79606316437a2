import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountTable } from '../../../../plugins/engines/qemu/mount-table.ts';
import type { MachinePlan } from '../../../../plugins/engines/qemu/plan.ts';

const share = (destination: string, directory = true) => ({ source: '/host', destination, readOnly: false, directory, masks: [], sockets: [] });

function planOf(part: Partial<MachinePlan>): MachinePlan {
  return {
    identity: { uid: 0, gid: 0, name: 'root', home: '/root' }, mounts: [], rootfs: null, trust: [], network: true, without: [], command: ['true'], environment: {}, cwd: '/',
    terminal: null, mark: 'mark', kernel: { image: '', initramfs: '' }, accelerator: 'tcg', tscKhz: null, bootLimitMs: 1, processors: 1, memoryMiB: 128, tools: { bwrap: '', qemu: '', virtiofsd: '' }, ...part,
  };
}

/** As util-linux reads the table. */
function read(text: string): { source: string; target: string; fstype: string }[] {
  const folder = mkdtempSync(join(tmpdir(), 'mount-table-test-'));
  try {
    writeFileSync(join(folder, 'fstab'), text);
    return JSON.parse(execFileSync('findmnt', ['--tab-file', join(folder, 'fstab'), '--json', '--list', '-o', 'SOURCE,TARGET,FSTYPE'], { encoding: 'utf8' })).filesystems;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('names with white space, "#" and backslashes come out of the table as they are', () => {
  const odd = '/tmp/with space\tand\\040 #sign';
  const { text, entries } = mountTable(planOf({ mounts: [share(odd)] }));
  const found = read(text).find(({ source }) => source === `/share${odd}`);
  assert.equal(found?.target, `/new${odd}`);
  assert.ok(entries.some(({ name, kind }) => name === `memory${odd}` && kind === 'folder'));
});

test("a mount in the guest's memory gets something to be mounted on, and any other is the share's own", () => {
  const { text, entries } = mountTable(planOf({ mounts: [share('/work'), share('/tmp/deep/er'), share('/var/file', false), share('/root/.config')] }));
  const bound = read(text).map(({ target }) => target).filter((target) => target.startsWith('/new/'));
  assert.deepEqual(['/new/work', '/new/tmp/deep/er', '/new/var/file', '/new/root/.config'].map((target) => bound.includes(target)), [false, true, true, true]);
  const kinds = new Map(entries.map(({ name, kind }) => [name, kind]));
  assert.deepEqual([kinds.get('memory/tmp/deep'), kinds.get('memory/tmp/deep/er'), kinds.get('memory/var/file')], ['folder', 'folder', 'file']);
});

test('every folder comes once, and before what it holds', () => {
  const { entries } = mountTable(planOf({ mounts: [share('/tmp/a/b/c'), share('/tmp/a/b')] }));
  const names = entries.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const [index, name] of names.entries()) {
    const parent = name.slice(0, name.lastIndexOf('/'));
    assert.ok(parent === '' || !name.includes('/') || names.indexOf(parent) < index, `${parent} before ${name}`);
  }
});

test('a root of its own lies under an overlay, with every mount on top', () => {
  const { text, module } = mountTable(planOf({ rootfs: { folder: '/images/one', files: [], fresh: ['/home/other'], writable: false }, mounts: [share('/work')] }));
  const lines = read(text);
  assert.equal(module, 'overlay');
  assert.deepEqual([lines[0]!.target, lines[0]!.fstype], ['/new', 'overlay']);
  assert.ok(lines.some(({ source, target }) => source === '/share/mounts/work' && target === '/new/work'));
  assert.match(text, /lowerdir=\/share\/root\/\.,/);
  assert.ok(lines.some(({ target }) => target === '/new/home/other'));
  assert.ok(!lines.some(({ target }) => ['/new/var', '/new/run'].includes(target)), "the root's own /var and /run");
});

test("all that the guest writes to lies in one file system, for two would be all of its memory", () => {
  assert.deepEqual(read(mountTable(planOf({})).text).filter(({ fstype }) => fstype === 'tmpfs'), []);
});
