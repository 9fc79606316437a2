/** The kept kernels: prepared once, private, whole or not there, and mended. */
import assert from 'node:assert/strict';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { KernelStore, type GuestKernel } from '../../../../../plugins/engines/qemu/kernel/store.ts';
import { testKernelHome, testPackages } from '../../../../stage/kernel.ts';
import { Seed } from '../../../../stage/seed.ts';
import { mistake } from '../../../../cli/settings/workspace.ts';

const packages = await testPackages();
const prepared = await testKernelHome();

function emptyHome(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mentu-store-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'engines', 'qemu');
}

/** A copy of a home that was set up. */
async function fullHome(context: TestContext): Promise<{ home: string; store: KernelStore; kernel: GuestKernel }> {
  const home = emptyHome(context);
  cpSync(prepared, home, { recursive: true });
  const store = new KernelStore(home);
  return { home, store, kernel: (await store.current())! };
}

function flip(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(file, bytes);
}

test('a kernel is there once it was chosen, for its owner alone', async (t) => {
  const home = emptyHome(t);
  const store = new KernelStore(home);
  assert.deepEqual(store.state(), { kernel: null, reason: 'no kernel is set up' });
  assert.ok(!existsSync(home), 'nothing is made before something is kept');
  const busybox = store.keepBusybox({ file: packages.busybox, origin: 'a package' });
  const { kernel, packedBecause } = await store.prepare({ file: packages.vmlinuz, modules: packages.modules, origin: 'a test' }, busybox);
  assert.equal(packedBecause, null);
  assert.equal(await store.current(), null);
  store.choose(kernel);
  assert.deepEqual(await new KernelStore(home).current(), kernel);
  assert.equal(kernel.release, packages.release);
  assert.equal(kernel.origin, 'a test');
  assert.match(kernel.key, /^[0-9a-f]{64}$/);
  assert.equal(store.damageOf(kernel), null);
  for (const name of readdirSync(home, { recursive: true, encoding: 'utf8' })) {
    const { mode } = statSync(join(home, name));
    assert.equal(mode & 0o077, 0, `${name} is ${(mode & 0o777).toString(8)}`);
  }
});

test('the same parts are the same bytes and the same key, and other parts another key', async (t) => {
  const { store, kernel } = await fullHome(t);
  const busybox = store.busybox()!;
  const again = await store.prepare({ file: packages.vmlinuz, modules: packages.modules, origin: kernel.origin }, busybox);
  assert.deepEqual(again.kernel, kernel);
  const other = join(dirname(store.folder), 'busybox');
  writeFileSync(other, Buffer.concat([readFileSync(busybox.file), Buffer.from('one more')]), { mode: 0o700 });
  const { kernel: another } = await store.prepare({ file: packages.vmlinuz, modules: packages.modules, origin: 'x' }, { file: other, origin: 'x' });
  assert.notEqual(another.key, kernel.key);
});

test('damage is seen: of sizes at every start, of every byte when asked', async (t) => {
  const { store, kernel } = await fullHome(t);
  flip(kernel.initramfs);
  assert.match(store.damageOf(kernel) ?? '', /initramfs is missing or damaged/);
  truncateSync(kernel.image, 1000);
  assert.deepEqual(await store.current(), null);
  assert.match(store.state().reason ?? '', /cannot be used: .*image is missing or damaged/);
  rmSync(kernel.image);
  assert.match(store.state().reason ?? '', /image is missing or damaged/);
  writeFileSync(join(dirname(kernel.image), 'manifest.json'), '{');
  assert.match(store.state().reason ?? '', /manifest\.json is missing or damaged/);
  for (const content of ['{"key": "../../etc"}', '{}', 'null', '']) {
    writeFileSync(join(store.folder, 'current.json'), content);
    assert.deepEqual(store.state(), { kernel: null, reason: 'no kernel is set up' });
  }
});

test('a kernel of another init is given the one of this version, and keeps its parts', async (t) => {
  const { home, store, kernel } = await fullHome(t);
  const old = '0'.repeat(64);
  renameSync(join(home, 'kernels', kernel.key), join(home, 'kernels', old));
  writeFileSync(join(home, 'current.json'), JSON.stringify({ key: old }));
  assert.deepEqual(await store.current(), kernel);
  assert.equal(store.damageOf(kernel), null);
  assert.deepEqual(readFileSync(kernel.initramfs), readFileSync((await new KernelStore(prepared).current())!.initramfs));
  assert.deepEqual(JSON.parse(readFileSync(join(home, 'current.json'), 'utf8')), { key: kernel.key });

  renameSync(join(home, 'kernels', kernel.key), join(home, 'kernels', 'f'.repeat(64)));
  writeFileSync(join(home, 'current.json'), JSON.stringify({ key: 'f'.repeat(64) }));
  rmSync(join(home, 'kernels', old), { recursive: true });
  flip(join(home, 'kernels', 'f'.repeat(64), 'initramfs'));
  assert.match(store.state().reason ?? '', /init is that of another version/, 'damaged parts are not taken over');
});

test('a kernel of another way of preparing is told, not booted', async (t) => {
  const { store, kernel } = await fullHome(t);
  const manifest = join(dirname(kernel.image), 'manifest.json');
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(/"format": \d+/, '"format": 9999'));
  assert.match(store.state().reason ?? '', /prepared by another version of this program/);
});

test('a named kernel is prepared once, and again when its file has changed', async (t) => {
  const { home, store, kernel } = await fullHome(t);
  const file = join(dirname(home), 'vmlinuz');
  cpSync(packages.vmlinuz, file);
  mkdirSync(join(dirname(home), 'modules'));
  symlinkSync(packages.modules, join(dirname(home), 'modules', packages.release));
  const named = await store.named(file);
  assert.equal(named.release, packages.release);
  assert.equal(named.key, kernel.key);
  const written = statSync(named.image).mtimeMs;
  await store.named(file);
  assert.equal(statSync(named.image).mtimeMs, written, 'nothing is done again');
  utimesSync(file, 1, 1);
  await store.named(file);
  assert.notEqual(statSync(named.image).mtimeMs, written);
  rmSync(named.image);
  assert.equal((await store.named(file)).key, named.key);
  assert.ok(existsSync(named.image), 'what has gone is prepared again');
});

test('a named kernel that cannot be used is refused with the reason and what to do', async (t) => {
  const { home, store } = await fullHome(t);
  const folder = dirname(home);
  const write = (name: string, bytes: Buffer | string): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  await assert.rejects(store.named(join(folder, 'nowhere')), mistake('kernel_unusable', undefined, `${folder}/nowhere`, 'it does not exist', 'Name the vmlinuz'));
  await assert.rejects(store.named(folder), mistake('kernel_unusable', undefined, 'it is no file'));
  await assert.rejects(store.named(write('garbage', new Seed(1).bytes(9000))), mistake('kernel_unusable', undefined, 'neither a bzImage (vmlinuz) nor a vmlinux', 'engine setup qemu'));
  await assert.rejects(store.named(write('empty', '')), mistake('kernel_unusable', undefined, 'neither a bzImage'));
  cpSync(packages.vmlinuz, join(folder, 'alone'));
  await assert.rejects(store.named(join(folder, 'alone')), mistake('kernel_unusable', undefined, `its modules are in none of ${folder}/lib/modules/${packages.release}`, `/lib/modules/${packages.release}`));
  await assert.rejects(new KernelStore(join(folder, 'bare')).named(packages.vmlinuz), mistake('kernel_unusable', undefined, 'no busybox', 'engine setup qemu'));
  assert.equal(basename(join(folder, 'alone')), 'alone');
});

test("a folder that is another's, or no folder, keeps no kernel", async (t) => {
  const home = emptyHome(t);
  mkdirSync(dirname(home), { recursive: true });
  symlinkSync(tmpdir(), home);
  const busybox = { file: packages.busybox, origin: 'x' };
  assert.throws(() => new KernelStore(home).keepBusybox(busybox), mistake('kernel_store_unsafe', undefined, 'it is no folder'));
  rmSync(home);
  mkdirSync(home, { mode: 0o777 });
  chmodSync(home, 0o777);
  new KernelStore(home).keepBusybox(busybox);
  assert.equal(statSync(home).mode & 0o777, 0o700);
});

test('a busybox that a guest cannot use is not kept', (t) => {
  const store = new KernelStore(emptyHome(t));
  assert.throws(() => store.keepBusybox({ file: '/bin/true', origin: 'x' }), /it needs libraries/);
  const script = join(mkdtempSync(join(tmpdir(), 'mentu-busybox-')), 'busybox');
  t.after(() => rmSync(dirname(script), { recursive: true }));
  writeFileSync(script, '#!/bin/sh\necho sh\n', { mode: 0o755 });
  assert.throws(() => store.keepBusybox({ file: script, origin: 'x' }), /it needs libraries/);
  assert.equal(store.busybox(), null);
});

test('of many kernels, the oldest are forgotten, and never the current one', async (t) => {
  const { home, store, kernel } = await fullHome(t);
  const kernels = join(home, 'kernels');
  for (const other of readdirSync(kernels).filter((key) => key !== kernel.key)) rmSync(join(kernels, other), { recursive: true });
  for (let age = 1; age <= 8; age++) {
    const other = join(kernels, `${age}`.repeat(64));
    mkdirSync(other);
    utimesSync(other, Date.now() / 1000 - age * 60, Date.now() / 1000 - age * 60);
  }
  utimesSync(join(kernels, kernel.key), 1, 1);
  store.choose(kernel);
  assert.deepEqual(readdirSync(kernels).sort(), ['1', '2', '3', '4'].map((age) => age.repeat(64)).concat(kernel.key).sort());
});
