/** `mentu-runtime engine`, as a user has it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { testKernelHome, testPackages } from '../../stage/kernel.ts';
import { Workspace } from '../settings/workspace.ts';

const RUNTIME = join(import.meta.dirname, '../../../cli/bin/mentu-runtime');

class User {
  readonly workspace: Workspace;

  constructor(context: TestContext, files: Readonly<Record<string, string>> = {}) {
    this.workspace = new Workspace(context, files);
  }

  get home(): string {
    return this.workspace.path('.home');
  }

  run(...args: string[]): { code: number | null; stdout: string; stderr: string } {
    const env = { ...process.env, MENTU_HOME: this.home };
    const { status, stdout, stderr } = spawnSync(RUNTIME, args, { cwd: this.workspace.folder, env, encoding: 'utf8', timeout: 110_000 });
    return { code: status, stdout, stderr };
  }

  /** As if `engine setup qemu` had run. */
  async setUp(): Promise<void> {
    cpSync(await testKernelHome(), join(this.home, 'engines/qemu'), { recursive: true });
  }
}

interface Row {
  readonly name: string;
  readonly boundary: string;
  readonly ready: boolean;
  readonly default: boolean;
  readonly missing: readonly { readonly name: string; readonly mend: string }[];
}

test('list names each engine with its boundary, whether it is set up, and what is missing', (t) => {
  const user = new User(t);
  const rows = JSON.parse(user.run('engine', 'list', '--json').stdout) as Row[];
  assert.deepEqual(rows.map(({ name, boundary, ready, default: isDefault }) => [name, boundary, ready, isDefault]), [
    ['namespace', 'namespace', true, true],
    ['qemu', 'kernel', false, false],
  ]);
  assert.deepEqual(rows[1]!.missing.map(({ name, mend }) => [name, mend]), [['kernel', 'mentu-runtime engine setup qemu']]);
  const { code, stdout } = user.run('engine', 'list');
  assert.equal(code, 0);
  assert.match(stdout, /^ENGINE +BOUNDARY +SET UP +DEFAULT +MISSING\nnamespace +namespace +yes +yes\nqemu +kernel +no +kernel: \S.*\n$/);
  assert.ok(!existsSync(user.home), 'to look changes nothing');
});

test('switch stores the default, says where the engine is not set up, and refuses unknown names', (t) => {
  const user = new User(t, { 'p.json': '{"engine": "namespace"}' });
  const { code, stdout, stderr } = user.run('engine', 'switch', 'qemu');
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'The default engine is qemu (boundary: kernel).\n');
  assert.match(stderr, /^It is not set up here \(kernel: .*\), .*: mentu-runtime engine setup qemu\n$/);
  assert.equal(statSync(join(user.home, 'engine.json')).mode & 0o777, 0o600);
  assert.match(user.run('engine', 'list').stdout, /^qemu +kernel +no +yes /m);

  const engineOf = (...args: string[]): string => user.run('config', 'show', ...args).stdout.split('\n').find((line) => line.startsWith('engine '))!.replace(/ {2,}/g, ' | ');
  assert.equal(engineOf(), 'engine | engine switch | qemu');
  assert.equal(engineOf('--profile', 'p.json'), 'engine | profile p.json | namespace');
  assert.equal(engineOf('--engine', 'namespace'), 'engine | flag | namespace');

  const unknown = user.run('engine', 'switch', 'qmeu');
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /There is no engine qmeu\. \[unknown_engine\] Engines: qemu\./);
  assert.equal(engineOf(), 'engine | engine switch | qemu');
  assert.equal(user.run('engine', 'switch', 'namespace').stderr, '');
  assert.equal(engineOf(), 'engine | engine switch | namespace');
});

test('exec takes the switched engine where nothing else names one, and says how to set it up', (t) => {
  const user = new User(t);
  user.run('engine', 'switch', 'qemu');
  const refused = user.run('exec', '--', 'true');
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /The engine qemu cannot run here: .*\[engine_unavailable\] Run: mentu-runtime engine setup qemu/);
  assert.equal(user.run('exec', '--engine', 'namespace', '--', 'true').code, 0);
});

test('a choice that another could have written, or that is damaged, is refused and not passed over', (t) => {
  const user = new User(t);
  user.run('engine', 'switch', 'qemu');
  const file = join(user.home, 'engine.json');
  chmodSync(file, 0o666);
  assert.match(user.run('exec', '--', 'true').stderr, /engine\.json, which names the default engine, cannot be used: others may write it\. \[engine_choice_unusable\]/);
  rmSync(file);
  symlinkSync('/etc/passwd', file);
  assert.match(user.run('engine', 'list').stderr, /it is not a regular file/);
  rmSync(file);
  for (const [content, reason] of [['{', /engine_choice_unusable/], ['{"version": 2, "engine": "qemu"}', /does not have the form of this version/], ['{"version": 1, "engine": "gone"}', /There is no engine gone/]] as const) {
    user.workspace.write('.home/engine.json', content);
    assert.match(user.run('exec', '--', 'true').stderr, reason);
  }
  assert.equal(user.run('engine', 'switch', 'namespace').code, 0, 'switch mends it');
  assert.equal(user.run('exec', '--', 'true').code, 0);
});

test('setup keeps what is whole, and then the engine runs a command', async (t) => {
  const user = new User(t);
  await user.setUp();
  const { code, stdout, stderr } = user.run('engine', 'setup', 'qemu');
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^The programs that it starts are there: .*\nThe kernel \S+ is there already .*\nIt came up in .*\nThe engine qemu is ready: mentu-runtime exec --engine qemu -- COMMAND\n$/);
  const { release } = await testPackages();
  const json = user.run('engine', 'setup', 'qemu', '--json');
  const { kernel, ready, accelerator } = JSON.parse(json.stdout) as Record<string, unknown>;
  assert.deepEqual([kernel, ready, typeof accelerator], [release, true, 'string']);
  assert.match(json.stderr, /is there already/);
  const ran = user.run('exec', '--engine', 'qemu', '--', 'uname', '-r');
  assert.deepEqual([ran.code, ran.stdout], [0, `${release}\n`], ran.stderr);
  user.run('engine', 'switch', 'qemu');
  assert.equal(user.run('exec', '--', 'uname', '-r').stdout, `${release}\n`);
});

test('setup takes the kernel of a flag or a profile, and refuses what is none', async (t) => {
  const { vmlinuz } = await testPackages();
  const user = new User(t, { 'garbage': 'no kernel', 'p.json': JSON.stringify({ kernel: vmlinuz }) });
  await user.setUp();
  const refused = user.run('engine', 'setup', 'qemu', '--kernel', 'garbage');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, new RegExp(`The kernel ${user.workspace.path('garbage')} cannot be used: it is neither a bzImage \\(vmlinuz\\) nor a vmlinux of x86_64\\. \\[kernel_unusable\\] Name a kernel`));
  const named = user.run('engine', 'setup', 'qemu', '--profile', 'p.json');
  assert.equal(named.code, 0, named.stderr);
  assert.match(named.stdout, new RegExp(`Prepared the kernel \\S+: the file ${vmlinuz}\\. It is trusted for being named\\.`));
  const ran = user.run('exec', '--engine', 'qemu', '--profile', 'p.json', '--', 'true');
  assert.equal(ran.code, 0, ran.stderr);
  user.workspace.write('p.json', JSON.stringify({ kernel: './garbage' }));
  const notRun = user.run('exec', '--engine', 'qemu', '--profile', 'p.json', '--', 'true');
  assert.equal(notRun.code, 125);
  assert.match(notRun.stderr, /garbage cannot be used.*\[kernel_unusable\]/);
});

test('an engine without a kernel has nothing to set up', (t) => {
  const user = new User(t);
  const { code, stdout } = user.run('engine', 'setup', 'namespace');
  assert.deepEqual([code, stdout], [0, 'The engine namespace is ready: mentu-runtime exec --engine namespace -- COMMAND\n']);
  const wrong = user.run('engine', 'setup', 'namespace', '--kernel', '/boot/vmlinuz');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /--kernel has no meaning for the engine namespace/);
  assert.equal(user.run('engine', 'setup').code, 2);
  assert.equal(user.run('engine', 'setup', 'nothing').code, 1);
});

test('doctor examines the named engine, or the default', (t) => {
  const user = new User(t);
  const qemu = user.run('engine', 'doctor', 'qemu');
  assert.equal(qemu.code, 1);
  assert.match(qemu.stdout, /^engine: qemu \(boundary: kernel\)[^]*FAIL {2}kernel [^]*mentu-runtime engine setup qemu\n[^]*self-test: not run/);
  const { engine, ok, findings } = JSON.parse(user.run('engine', 'doctor', '--json').stdout) as { engine: string; ok: boolean; findings: unknown[] };
  assert.deepEqual([engine, ok], ['namespace', true]);
  assert.ok(findings.length > 8);
  user.run('engine', 'switch', 'qemu');
  for (const command of [['engine', 'doctor', '--json'], ['doctor', '--json']]) {
    assert.equal((JSON.parse(user.run(...command).stdout) as { engine: string }).engine, 'qemu');
  }
  assert.deepEqual(JSON.parse(readFileSync(join(user.home, 'engine.json'), 'utf8')), { version: 1, engine: 'qemu' });
});
