/** Prepared kernels in QEMU, up to the line that says so; without hardware virtualisation, which every machine can do. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { probeBoot } from '../../../../../plugins/engines/qemu/accelerator.ts';
import { initramfs } from '../../../../../plugins/engines/qemu/kernel/initramfs.ts';
import { ModuleFolder, type LoadedModule } from '../../../../../plugins/engines/qemu/kernel/module-set.ts';
import { KernelStore } from '../../../../../plugins/engines/qemu/kernel/store.ts';
import { measureTscKhz } from '../../../../../plugins/engines/qemu/tsc.ts';
import { testKernelHome, testPackages } from '../../../../stage/kernel.ts';

const LIMIT_MS = 60_000;
const kernel = (await new KernelStore(await testKernelHome()).current())!;
const { vmlinuz, modules, release, busybox } = await testPackages();
const loaded = await new ModuleFolder(modules).load(release, { busybox, keepSignature: false });
const tscKhz = await measureTscKhz();

let folder: string;
before(() => (folder = mkdtempSync(join(tmpdir(), 'mentu-boot-'))));
after(() => rmSync(folder, { recursive: true }));

function archive(name: string, parts: readonly LoadedModule[]): string {
  const file = join(folder, name);
  writeFileSync(file, initramfs({ release, busybox: readFileSync(busybox), modules: parts }));
  return file;
}

test('the kernel that was set up comes up', async () => {
  const { up, words } = await probeBoot(kernel, 'tcg', tscKhz, LIMIT_MS);
  assert.ok(up, words);
  // Some firmware needs the page of memory that this leaves free.
  assert.equal(statSync(kernel.initramfs).size % 4096, 0);
});

test('a kernel that is not unpacked comes up as well', async () => {
  const { up, words } = await probeBoot({ image: vmlinuz, initramfs: kernel.initramfs }, 'tcg', tscKhz, LIMIT_MS);
  assert.ok(up, words);
});

test('modules with their signatures are loaded as well', async () => {
  const signed = await new ModuleFolder(modules).load(release, { busybox, keepSignature: true });
  const { up, words } = await probeBoot({ image: kernel.image, initramfs: archive('signed', signed) }, 'tcg', tscKhz, LIMIT_MS);
  assert.ok(up, words);
});

test('a module that does not load ends the machine, which says so', async () => {
  const damaged = loaded.map((module) => (module.name === 'virtio_console' ? { ...module, bytes: module.bytes.subarray(0, 3000) } : module));
  const { up, milliseconds, words } = await probeBoot({ image: kernel.image, initramfs: archive('damaged', damaged) }, 'tcg', tscKhz, LIMIT_MS);
  assert.ok(!up);
  assert.match(words, /can't load module virtio_console/);
  assert.match(words, /mentu: the modules cannot be loaded/);
  assert.ok(milliseconds < LIMIT_MS, 'by itself, and not by the limit');
});

test('what is no kernel, and what never comes up, ends within the limit', async () => {
  const text = join(folder, 'text');
  writeFileSync(text, 'no kernel');
  const none = await probeBoot({ image: text, initramfs: kernel.initramfs }, 'tcg', tscKhz, LIMIT_MS);
  assert.ok(!none.up && none.words !== '', none.words);
  const late = await probeBoot(kernel, 'tcg', tscKhz, 200);
  assert.ok(!late.up && late.milliseconds < 5_000);
});
