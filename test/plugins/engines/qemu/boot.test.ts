/** Machines that do not come up, and what is told of them. */
import assert from 'node:assert/strict';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MentuError } from '../../../../core/index.ts';
import { Accelerators, probeBoot } from '../../../../plugins/engines/qemu/accelerator.ts';
import { QemuEngine } from '../../../../plugins/engines/qemu/engine.ts';
import { KernelStore } from '../../../../plugins/engines/qemu/kernel/store.ts';
import { testKernelHome } from '../../../stage/kernel.ts';
import { specOf } from '../../../engines/job.ts';

/** A copy of the tests' kernel, damaged. */
async function damaged(file: 'image' | 'initramfs', damage: (bytes: Buffer) => void): Promise<{ home: string; [Symbol.dispose](): void }> {
  const home = mkdtempSync(join(tmpdir(), 'boot-test-'));
  cpSync(await testKernelHome(), home, { recursive: true });
  for (const path of globSync(join(home, 'kernels', '*', file))) {
    const bytes = readFileSync(path);
    damage(bytes);
    writeFileSync(path, bytes);
  }
  return { home, [Symbol.dispose]: () => rmSync(home, { recursive: true }) };
}

/** The same length, for the store looks at sizes on the way of every guest. */
function replaced(bytes: Buffer, text: string, by: string): void {
  const at = bytes.indexOf(text);
  assert.ok(at >= 0 && text.length === by.length);
  bytes.write(by, at, 'latin1');
}

const JUMP_TO_ITSELF = Buffer.of(0xeb, 0xfe);

/** Where in the file of an ELF kernel the code lies that QEMU starts (Xen's note PHYS32_ENTRY). */
function entryOffset(elf: Buffer): number {
  const note = elf.indexOf(Buffer.concat([Buffer.of(18, 0, 0, 0), Buffer.from('Xen\0')]));
  const entry = elf.readUInt32LE(note + 8);
  const headers = Number(elf.readBigUInt64LE(32));
  for (let index = 0; index < elf.readUInt16LE(56); index++) {
    const at = headers + index * elf.readUInt16LE(54);
    const [offset, address, size] = [8, 24, 32].map((field) => Number(elf.readBigUInt64LE(at + field))) as [number, number, number];
    if (elf.readUInt32LE(at) === 1 && entry >= address && entry < address + size) return offset + entry - address;
  }
  throw new Error('the kernel has no entry for QEMU');
}

async function failure(home: string, bootLimitMs: number): Promise<MentuError> {
  const engine = new QemuEngine({ home, kernel: null, bootLimitMs });
  const guest = engine.prepare(specOf({ limits: { cpus: 1, memoryMiB: 256 } }));
  const error = await guest.then(() => null, (reason: unknown) => reason);
  assert.ok(error instanceof MentuError, `${error}`);
  return error;
}

test('a kernel that panics ends with its last words', async () => {
  using kernel = await damaged('initramfs', (bytes) => replaced(bytes, '#!/bin/busybox sh', '#!/bin/nobody  sh'));
  const { code, message } = await failure(kernel.home, 60_000);
  assert.equal(code, 'engine_failed');
  assert.match(message, /Kernel panic|No working init/);
});

test('an init that cannot go on says why', async () => {
  using kernel = await damaged('initramfs', (bytes) => replaced(bytes, '$b modprobe -a', '$b modprobX -a'));
  assert.match((await failure(kernel.home, 60_000)).message, /mentu: the modules cannot be loaded/);
});

test('a kernel that says nothing is given up, within its time', async () => {
  using kernel = await damaged('image', (bytes) => JUMP_TO_ITSELF.copy(bytes, entryOffset(bytes)));
  const began = performance.now();
  assert.match((await failure(kernel.home, 3_000)).message, /the kernel did not come up within 3 s/);
  assert.ok(performance.now() - began < 30_000);
});

test('a home without a kernel names the line that sets one up', async () => {
  const home = mkdtempSync(join(tmpdir(), 'boot-test-'));
  try {
    const error = await failure(home, 1_000);
    assert.equal(error.code, 'engine_unavailable');
    assert.match(`${error}`, /mentu-runtime engine setup qemu/);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('KVM is taken where a machine comes up under it, and the finding is kept', async () => {
  const kernel = (await new KernelStore(await testKernelHome()).current())!;
  const home = mkdtempSync(join(tmpdir(), 'boot-test-'));
  try {
    const chosen = await new Accelerators(home).choose(kernel);
    const { up } = await probeBoot(kernel, 'kvm', null, 5_000);
    assert.equal(chosen, up ? 'kvm' : 'tcg');
    const file = join(home, 'machine.json');
    const tsc = await new Accelerators(home).tscKhz();
    assert.ok(tsc !== null && tsc > 100_000, `${tsc} ticks a millisecond`);
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { host: string; tscKhz: number; kvm: Record<string, boolean> };
    assert.equal(kept.tscKhz, tsc);
    // What is kept is believed, but only of this host.
    const other = chosen === 'kvm' ? 'tcg' : 'kvm';
    writeFileSync(file, JSON.stringify({ ...kept, kvm: { [kernel.key]: other === 'kvm' } }));
    const believed = await new Accelerators(home).choose(kernel);
    assert.equal(believed, kept.kvm[kernel.key] === undefined ? 'tcg' : other);
    writeFileSync(file, JSON.stringify({ ...kept, host: 'another', kvm: { [kernel.key]: other === 'kvm' } }));
    assert.equal(await new Accelerators(home).choose(kernel), chosen);
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('under TCG a machine comes up, and says so', async () => {
  const home = await testKernelHome();
  const kernel = (await new KernelStore(home).current())!;
  const { up, words } = await probeBoot(kernel, 'tcg', await new Accelerators(home).tscKhz(), 60_000);
  assert.ok(up, words);
});
