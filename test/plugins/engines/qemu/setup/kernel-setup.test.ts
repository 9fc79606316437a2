/** Which kernel setup takes, and what it says of it. Debian's package as such is fetched where the tests' own kernel comes from. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Debian } from '../../../../../plugins/engines/qemu/setup/debian.ts';
import { KernelSetup } from '../../../../../plugins/engines/qemu/setup/kernel-setup.ts';
import { compareReleases, hostKernels } from '../../../../../plugins/engines/qemu/setup/kernels.ts';
import { KernelStore, type GuestKernel } from '../../../../../plugins/engines/qemu/kernel/store.ts';
import { testKernelHome, testPackages } from '../../../../stage/kernel.ts';
import { mistake } from '../../../../cli/settings/workspace.ts';

const packages = await testPackages();
const prepared = await testKernelHome();
const WORDS = 'its last words were: Kernel panic - not syncing';

class Machine {
  readonly folder: string;
  readonly store: KernelStore;
  readonly said: string[] = [];
  trial: (kernel: GuestKernel) => Promise<string | null> = async () => null;

  constructor(context: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), 'mentu-kernels-'));
    context.after(() => rmSync(this.folder, { recursive: true, force: true }));
    this.store = new KernelStore(join(this.folder, 'home'));
    this.store.keepBusybox({ file: packages.busybox, origin: 'a test' });
  }

  get kernels(): string {
    return join(this.folder, 'boot/vmlinuz-*');
  }

  /** A kernel of the host: Debian's under another release, with modules or without. */
  install(release: string, modules: 'all' | 'none' | 'no virtiofs' | 'of another'): string {
    const file = join(this.folder, 'boot', `vmlinuz-${release}`);
    const folder = join(this.folder, 'lib/modules', release);
    for (const path of [dirname(file), dirname(folder)]) mkdirSync(path, { recursive: true });
    const bytes = readFileSync(packages.vmlinuz);
    const at = bytes.indexOf(`${packages.release} (`);
    assert.ok(release.length <= packages.release.length);
    bytes.write(`${release} `, at, 'latin1');
    writeFileSync(file, release === packages.release ? readFileSync(packages.vmlinuz) : bytes);
    if (modules === 'all') symlinkSync(packages.modules, folder);
    if (modules === 'no virtiofs') cpSync(packages.modules, folder, { recursive: true, filter: (path) => !path.endsWith('/virtiofs.ko') });
    if (modules === 'of another') symlinkSync(packages.modules, folder);
    return file;
  }

  run(path: string | null = null): Promise<GuestKernel> {
    const say = (sentence: string): void => void this.said.push(sentence);
    return Debian.within(this.store.folder, say, (debian) => new KernelSetup({ store: this.store, debian, say, trial: (kernel) => this.trial(kernel), hostKernels: this.kernels }).run(path));
  }
}

test('of the kernels of the host, the one for clouds is looked at first, then the newest', (t) => {
  const machine = new Machine(t);
  for (const release of ['6.1.0-9-amd64', '6.1.0-10-amd64', '5.10.0-99-amd64', '6.1.0-2-cloud-amd64']) machine.install(release, 'all');
  const found = hostKernels(() => assert.fail('none is passed over'), machine.kernels).map(({ file }) => file.split('vmlinuz-')[1]);
  assert.deepEqual(found, ['6.1.0-2-cloud-amd64', '6.1.0-10-amd64', '6.1.0-9-amd64', '5.10.0-99-amd64']);
  assert.ok(compareReleases('6.12.0', '6.2.0') > 0);
});

test('a kernel of the host that a guest cannot use is passed over with its reason', async (t) => {
  const machine = new Machine(t);
  const others = [
    [machine.install('6.9.1-cloud', 'none'), 'its modules are not installed'],
    [machine.install('6.8.1-cloud', 'no virtiofs'), 'it has no virtiofs'],
    [machine.install('6.7.1-cloud', 'of another'), `is for the kernel ${packages.release} and not for 6.7.1-cloud`],
  ] as const;
  const garbage = join(machine.folder, 'boot/vmlinuz-garbage');
  writeFileSync(garbage, 'no kernel');
  machine.install(packages.release, 'all');
  const kernel = await machine.run();
  assert.equal(kernel.release, packages.release);
  assert.match(kernel.origin, /^the host's .*\/boot\/vmlinuz-/);
  assert.deepEqual(await machine.store.current(), kernel);
  const said = machine.said.join('\n');
  for (const [file, reason] of [...others, [garbage, 'it is neither a bzImage']] as const) {
    assert.ok(machine.said.some((line) => line.startsWith(`Passed over ${file}: `) && line.includes(reason)), `${file}: ${reason}\n${said}`);
  }
  assert.match(said, /Prepared the kernel .*: the host's .* It is this machine's own\./);
});

test('a kernel that does not come up is passed over for the next, and is not chosen', async (t) => {
  const machine = new Machine(t);
  machine.install(packages.release, 'all');
  machine.trial = async () => WORDS;
  const named = join(machine.folder, 'boot', `vmlinuz-${packages.release}`);
  await assert.rejects(machine.run(named), mistake('engine_setup_failed', undefined, `the kernel ${packages.release}`, 'Kernel panic', 'engine setup qemu --kernel FILE'));
  assert.equal(await machine.store.current(), null);
  const { length } = machine.said;
  machine.trial = async ({ origin }) => (origin.startsWith('the host') ? WORDS : null);
  const kernel = await machine.run();
  assert.match(kernel.origin, /^Debian package linux-image-\S+ \S+$/);
  const said = machine.said.slice(length).join('\n');
  assert.match(said, new RegExp(`Passed over ${named}: .*does not come up here`));
  assert.match(said, /apt fetched http\S+\.deb and held it against the signed lists of that archive: its SHA-256 is [0-9a-f]{64}\. It was unpacked, not installed\./);
});

test('what is there and whole stays; what is damaged is prepared anew', async (t) => {
  const machine = new Machine(t);
  machine.install(packages.release, 'all');
  const { store } = machine;
  const kernel = await machine.run();
  machine.said.length = 0;
  assert.deepEqual(await machine.run(), kernel);
  assert.match(machine.said.join('\n'), /^The kernel \S+ is there already \(the host's .*\), and every byte of it is as it was written\.$/);
  for (const damage of [
    () => writeFileSync(kernel.initramfs, readFileSync(kernel.initramfs).fill(1, 5000, 5010)),
    () => rmSync(kernel.image),
    () => writeFileSync(join(store.folder, 'busybox'), 'no program'),
    () => rmSync(join(store.folder, 'busybox.json')),
    () => writeFileSync(join(store.folder, 'current.json'), '{"key":'),
  ]) {
    machine.said.length = 0;
    damage();
    const { key, release } = await machine.run();
    assert.deepEqual({ key, release }, { key: kernel.key, release: kernel.release });
    assert.equal(store.damageOf((await store.current())!), null);
    assert.ok(store.busybox() !== null);
    assert.match(machine.said[0]!, /is prepared anew: .*(damaged|no kernel is set up)/);
  }
});

test('a named kernel is taken before what is there', async (t) => {
  const machine = new Machine(t);
  cpSync(prepared, machine.store.folder, { recursive: true });
  const before = (await machine.store.current())!;
  const kernel = await machine.run(packages.vmlinuz);
  assert.equal(kernel.origin, `the file ${packages.vmlinuz}`);
  assert.equal(kernel.key, before.key, 'it is the same kernel');
  assert.equal((await machine.store.current())!.origin, kernel.origin);
  await assert.rejects(machine.run('/bin/true'), mistake('kernel_unusable', undefined, '/bin/true', 'without a PVH entry'));
  assert.equal((await machine.store.current())!.key, kernel.key, 'a mistake changes nothing');
});
