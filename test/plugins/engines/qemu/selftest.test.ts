import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { QemuEngine } from '../../../../plugins/engines/qemu/engine.ts';
import { KernelStore } from '../../../../plugins/engines/qemu/kernel/store.ts';
import { selfTest } from '../../../../plugins/engines/qemu/selftest.ts';
import { setupQemu } from '../../../../plugins/engines/qemu/setup.ts';
import { testKernelHome, testPackages } from '../../../stage/kernel.ts';
import { mistake } from '../../../cli/settings/workspace.ts';

const prepared = await testKernelHome();
let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'qemu-selftest-'));
  mkdirSync(join(folder, 'tmp'));
  process.env['TMPDIR'] = join(folder, 'tmp'); // other tests use the common one
});
after(() => {
  delete process.env['TMPDIR'];
  rmSync(folder, { recursive: true });
});

test('the examination says what is missing before the set-up, and nothing after', async () => {
  const lacking = (home: string) => new QemuEngine({ home, kernel: null }).examine().then((findings) => findings.filter(({ ok }) => !ok));
  assert.deepEqual((await lacking(join(folder, 'nowhere'))).map(({ name, mend }) => [name, mend]), [['kernel', 'mentu-runtime engine setup qemu']]);
  assert.deepEqual(await lacking(prepared), []);
});

test('the self-test boots the kernel, proves each guard with its control, and leaves nothing', async () => {
  const findings = await selfTest(prepared);
  assert.deepEqual(findings.filter(({ ok }) => !ok), []);
  const [boot, ...proofs] = findings;
  assert.match(boot!.detail, /^up in \d+\.\d s under (?:KVM|TCG)/);
  assert.ok(proofs.length >= 4);
  for (const { detail } of proofs.slice(0, -1)) assert.match(detail, /out of reach \(\w+\), and reached where the guard is missing/);
  assert.deepEqual(readdirSync(join(folder, 'tmp')), []);
});

test('the set-up boots what is there, tells how, and says of a damaged kernel what it says itself', async () => {
  const home = join(folder, 'home');
  cpSync(prepared, home, { recursive: true });
  const said: string[] = [];
  const { kernel, accelerator } = await setupQemu({ home, kernel: null, say: (sentence) => said.push(sentence) });
  assert.ok(['kvm', 'tcg'].includes(accelerator));
  assert.match(said.join('\n'), /^The programs that it starts are there: .*\nThe kernel \S+ is there already .*\nIt came up in \d+\.\d s under /);
  assert.deepEqual(await new KernelStore(home).current(), kernel);

  // A kernel that QEMU takes, and whose first instructions halt the processor.
  const image = readFileSync(kernel.image);
  const broken = join(folder, 'vmlinux');
  const codeAt = Number(image.readBigUInt64LE(72));
  writeFileSync(broken, image.fill(0xf4, codeAt, codeAt + 4096));
  const { release, modules } = await testPackages();
  mkdirSync(join(folder, 'modules'));
  cpSync(modules, join(folder, 'modules', release), { recursive: true });
  await assert.rejects(setupQemu({ home, kernel: broken, say: () => undefined, bootLimitMs: 3_000 }), mistake('engine_setup_failed', undefined, `the kernel ${release}`, 'does not come up here: it said nothing within 3 s', 'engine setup qemu --kernel FILE'));
  assert.deepEqual(await new KernelStore(home).current(), kernel, 'the one that works stays');

  writeFileSync(kernel.initramfs, readFileSync(kernel.initramfs).fill(0, 200_000, 200_010));
  const [damaged] = await selfTest(home);
  assert.deepEqual([damaged?.ok, damaged?.mend], [false, 'mentu-runtime engine setup qemu']);
  assert.match(damaged!.detail, /initramfs is missing or damaged/);
});
