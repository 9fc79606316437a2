/** The modules of Debian's kernel, against what kmod says of them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { moduleName, readModule, withoutSignature } from '../../../../../plugins/engines/qemu/kernel/module.ts';
import { ModuleFolder, NEEDED_MODULES } from '../../../../../plugins/engines/qemu/kernel/module-set.ts';
import { testPackages } from '../../../../stage/kernel.ts';

const { modules, release, busybox } = await testPackages();
const OPTIONS = { busybox, keepSignature: false };
const FILES = ['virtio', 'virtio_ring', 'virtio_mmio', 'virtio_console', 'virtio-rng', 'failover', 'net_failover', 'virtio_net', 'fuse', 'virtiofs', 'overlay'];

/** Path of a module in a folder of modules. */
function find(folder: string, name: string): string {
  const { stdout } = spawnSync('find', [folder, '-name', `${name}.ko*`], { encoding: 'utf8' });
  return stdout.trim();
}

function modinfo(field: string, file: string): string {
  const { status, stdout, stderr } = spawnSync('/usr/sbin/modinfo', ['-F', field, file], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** The modules that guests need, where a test can change them. */
function copy(context: TestContext, files = FILES): string {
  const folder = join(mkdtempSync(join(tmpdir(), 'mentu-modules-')), release);
  context.after(() => rmSync(dirname(folder), { recursive: true }));
  for (const name of files) {
    const to = join(folder, relative(modules, find(modules, name)));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(find(modules, name), to);
  }
  return folder;
}

test('each module comes after those that it needs, and kmod agrees on what these are', async () => {
  const loaded = await new ModuleFolder(modules).load(release, OPTIONS);
  const names = loaded.map(({ name }) => name);
  assert.deepEqual([...names].sort(), FILES.map(moduleName).sort());
  for (const file of FILES) {
    for (const needed of modinfo('depends', find(modules, file)).split(',').filter((name) => name !== '')) {
      assert.ok(names.indexOf(moduleName(needed)) < names.indexOf(moduleName(file)), `${needed} before ${file}`);
    }
  }
});

test('signatures are cut off, unless the kernel asks for them, and nothing else is', async () => {
  const file = find(modules, 'virtiofs');
  assert.match(modinfo('sig_id', file), /PKCS#7/);
  const folder = mkdtempSync(join(tmpdir(), 'mentu-module-'));
  try {
    const cut = join(folder, 'virtiofs.ko');
    writeFileSync(cut, (await readModule(readFileSync(file), OPTIONS)).bytes);
    assert.equal(modinfo('sig_id', cut), '');
    assert.equal(modinfo('depends', cut), modinfo('depends', file));
    assert.deepEqual(readFileSync(file).subarray(0, readFileSync(cut).length), readFileSync(cut));
    const kept = await readModule(readFileSync(file), { busybox, keepSignature: true });
    assert.deepEqual(kept.bytes, readFileSync(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
  const lying = Buffer.concat([Buffer.alloc(20), Buffer.of(0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0), Buffer.from('~Module signature appended~\n')]);
  assert.equal(withoutSignature(lying), lying, 'a length beyond the file is none');
});

test('packed modules are unpacked', async (t) => {
  const plain = await new ModuleFolder(modules).load(release, OPTIONS);
  const folder = copy(t);
  const packers: readonly [string, (bytes: Buffer) => Buffer][] = [
    ['.gz', gzipSync],
    ['.zst', zstdCompressSync],
    // As `make modules_install` does it.
    ['.xz', (input) => spawnSync('xz', ['--check=crc32', '--lzma2=dict=1MiB', '-c'], { input, maxBuffer: 1 << 24 }).stdout],
  ];
  FILES.forEach((name, index) => {
    const [ending, pack] = packers[index % packers.length]!;
    const file = find(folder, name);
    writeFileSync(file + ending, pack(readFileSync(file)));
    rmSync(file);
  });
  assert.deepEqual(await new ModuleFolder(folder).load(release, OPTIONS), plain);
});

test('what is built into the kernel need not be there', async (t) => {
  const folder = copy(t, FILES.filter((name) => name !== 'fuse' && name !== 'virtio-rng'));
  assert.deepEqual(new ModuleFolder(folder).lacking, ['virtio_rng']);
  writeFileSync(join(folder, 'modules.builtin'), 'kernel/fs/fuse/fuse.ko\nkernel/drivers/char/hw_random/virtio-rng.ko\n');
  const names = (await new ModuleFolder(folder).load(release, OPTIONS)).map(({ name }) => name);
  assert.deepEqual(names.filter((name) => name === 'fuse' || name === 'virtio_rng'), []);
  assert.equal(names.length, FILES.length - 2);
});

test('a kernel without what a guest needs is told by name', async (t) => {
  const empty = copy(t, []);
  assert.deepEqual(new ModuleFolder(empty).lacking, [...NEEDED_MODULES]);
  const without = copy(t, FILES.filter((name) => name !== 'virtiofs' && name !== 'overlay'));
  await assert.rejects(new ModuleFolder(without).load(release, OPTIONS), { message: `its modules in ${without} lack virtiofs, overlay` });
  const broken = copy(t, FILES.filter((name) => name !== 'failover'));
  await assert.rejects(new ModuleFolder(broken).load(release, OPTIONS), /module net_failover needs failover, which is not in/);
});

test('modules of another kernel, of another kind, or damaged, are refused by name', async (t) => {
  await assert.rejects(new ModuleFolder(modules).load('6.1.0-1-amd64', OPTIONS), new RegExp(`\\.ko is for the kernel ${release} and not for 6\\.1\\.0-1-amd64`));
  const folder = copy(t);
  const file = find(folder, 'virtio_mmio');
  for (const [bytes, reason] of [
    [Buffer.from('text'), /virtio_mmio\.ko cannot be used: it is no module of x86_64/],
    [readFileSync(file).subarray(0, 5000), /virtio_mmio\.ko cannot be used: its table of sections is damaged/],
    [readFileSync('/bin/true'), /virtio_mmio\.ko cannot be used: it says nothing of itself/],
  ] as const) {
    writeFileSync(file, bytes);
    await assert.rejects(new ModuleFolder(folder).load(release, OPTIONS), reason);
  }
  assert.equal(basename(file), 'virtio_mmio.ko');
});
