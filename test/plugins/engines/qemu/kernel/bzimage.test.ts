/** Kernels as distributions pack them, packed here by the programs that their builds use. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { readKernel, releaseOf } from '../../../../../plugins/engines/qemu/kernel/bzimage.ts';
import { unpack } from '../../../../../plugins/engines/qemu/kernel/compression.ts';
import { hasPvhEntry, loadable } from '../../../../../plugins/engines/qemu/kernel/elf.ts';
import { testPackages } from '../../../../stage/kernel.ts';
import { Seed } from '../../../../stage/seed.ts';
import { RELEASE, bzImage, vmlinux, withSize } from './kernel-image.ts';

const { vmlinuz, release, busybox } = await testPackages();

function pack(file: string, args: readonly string[], input: Buffer): Buffer {
  const { status, stdout, stderr } = spawnSync(file, args, { input, maxBuffer: 1 << 28, timeout: 20_000 });
  assert.equal(status, 0, stderr.toString());
  return stdout;
}

const PACKED: Readonly<Record<string, (kernel: Buffer) => Buffer>> = {
  gzip: (kernel) => gzipSync(kernel),
  zstd: (kernel) => withSize(zstdCompressSync(kernel), kernel.length),
  lz4: (kernel) => withSize(pack('lz4', ['-l', '-9', '-c', '-'], kernel), kernel.length),
  xz: (kernel) => withSize(pack('xz', ['--check=crc32', '--x86', '--lzma2', '-c'], kernel), kernel.length),
  lzma: (kernel) => withSize(pack('xz', ['--format=lzma', '-c'], kernel), kernel.length),
  bzip2: (kernel) => withSize(pack(busybox, ['bzip2', '-c'], kernel), kernel.length),
};

for (const [name, packed] of Object.entries(PACKED)) {
  test(`a kernel packed by ${name} is unpacked`, async () => {
    const kernel = vmlinux();
    const read = await readKernel(bzImage(packed(kernel)), busybox);
    assert.equal(read.packedBecause, null);
    assert.equal(read.release, RELEASE);
    assert.deepEqual(read.image, loadable(kernel));
  });

  test(`a kernel whose ${name} data are damaged is booted as it is, and the reason is told`, async () => {
    const payload = packed(vmlinux());
    const cut = bzImage(Buffer.concat([payload.subarray(0, payload.length >> 1), payload.subarray(-4)]));
    const read = await readKernel(cut, busybox);
    assert.match(read.packedBecause ?? '', new RegExp(`its ${name} data`));
    assert.deepEqual(read.image, cut);
    assert.equal(read.release, RELEASE);
  });
}

test("Debian's kernel is unpacked, and loses nothing that is loaded", async () => {
  const bytes = readFileSync(vmlinuz);
  const { image, packedBecause, release: found } = await readKernel(bytes, null);
  assert.equal(packedBecause, null);
  assert.equal(found, release);
  assert.ok(hasPvhEntry(image));
  assert.ok(image.includes(`Linux version ${release} (`));
  // A vmlinux is read as well, and stripping it a second time changes nothing.
  const again = await readKernel(image, null);
  assert.equal(again.release, release);
  assert.deepEqual(again.image, image);
  assert.equal(releaseOf(bytes), release);
});

test('a kernel is stripped of what is not loaded, and its zeros come from the loader', () => {
  const kernel = vmlinux();
  const image = loadable(kernel);
  assert.ok(image.length < kernel.length);
  assert.ok(hasPvhEntry(image));
  const [offset, fileSize, memorySize] = [72, 96, 104].map((at) => Number(image.readBigUInt64LE(at))) as [number, number, number];
  assert.equal(memorySize, 64 * 1024);
  const loaded = Buffer.concat([image.subarray(offset, offset + fileSize), Buffer.alloc(memorySize - fileSize)]);
  assert.deepEqual(loaded, kernel.subarray(4096, 4096 + 64 * 1024));
});

test('what no machine could boot is refused, and the reason is told', async () => {
  const refused: readonly [Buffer, RegExp][] = [
    [Buffer.alloc(0), /neither a bzImage \(vmlinuz\) nor a vmlinux/],
    [new Seed(3).bytes(4096), /neither a bzImage \(vmlinuz\) nor a vmlinux/],
    [readFileSync('/bin/true'), /without a PVH entry/],
    [vmlinux({ pvh: false }), /without a PVH entry \(CONFIG_PVH\).*name its bzImage/],
    [vmlinux({ release: '' }), /does not tell its release/],
    [vmlinux().subarray(0, 20_000), /cut off/],
    [bzImage(gzipSync(vmlinux()), { flags: 0 }), /32-bit/],
    [bzImage(gzipSync(vmlinux()), { release: '../../etc' }), /does not tell its release/],
  ];
  for (const [bytes, reason] of refused) await assert.rejects(readKernel(bytes, busybox), { message: reason });
});

test('a bzImage without a PVH entry within, or with a foreign payload, is booted as it is', async () => {
  for (const [payload, reason] of [
    [gzipSync(vmlinux({ pvh: false })), /no PVH entry/],
    [gzipSync(Buffer.alloc(100_000, 'x')), /no ELF file/],
    [withSize(Buffer.alloc(1000, 'x'), 5), /compression is not known \(first bytes 78787878\)/],
    [withSize(Buffer.concat([gzipSync(vmlinux()).subarray(0, 10), Buffer.alloc(30)]), 0xffffffff), /it says that it is 4294967295 bytes/],
  ] as const) {
    const bytes = bzImage(payload);
    const read = await readKernel(bytes, null);
    assert.match(read.packedBecause ?? '', reason);
    assert.deepEqual(read.image, bytes);
  }
});

test('where the host has no program for a compression, busybox takes its place', async () => {
  const findProgram = (): null => null;
  const kernel = vmlinux();
  const plainXz = pack('xz', ['--check=crc32', '-c'], kernel);
  for (const bytes of [plainXz, PACKED['lzma']!(kernel).subarray(0, -4), PACKED['bzip2']!(kernel).subarray(0, -4)]) {
    assert.deepEqual(await unpack(bytes, { size: kernel.length, busybox, findProgram }), kernel);
    await assert.rejects(unpack(bytes, { findProgram }), /which this machine lacks/);
    await assert.rejects(unpack(bytes, { size: kernel.length + 1, busybox, findProgram }), /in place of/);
  }
});

test('no damage to a kernel does more than to have it refused or booted as it is', async () => {
  const seed = new Seed(11);
  const whole = bzImage(PACKED['lz4']!(vmlinux()));
  for (let round = 0; round < 400; round++) {
    const bytes = round % 2 === 0 ? seed.mutated(whole) : seed.mutated(vmlinux());
    const read = await readKernel(bytes, null).catch((error: unknown) => error);
    if (read instanceof Error) assert.doesNotMatch(read.message, /undefined|NaN|ERR_|null/, `round ${round}`);
  }
});
