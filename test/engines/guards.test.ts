/** Guards are taken away by tests and by the self-test, through an engine's constructor: no flag, profile, preset or variable comes near. */
import assert from 'node:assert/strict';
import { globSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { GUARDS as NAMESPACE_GUARDS } from '../../plugins/engines/namespace/guards.ts';
import { GUARDS as QEMU_GUARDS } from '../../plugins/engines/qemu/guards.ts';
import { Workspace } from '../e2e/stage/workspace.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const sources = (...patterns: string[]): string[] => globSync(patterns, { cwd: ROOT }).sort();
const GUARDS = [...new Set<string>([...NAMESPACE_GUARDS, ...QEMU_GUARDS])];
const workspace = new Workspace();
after(() => workspace.close());

test('nobody but a self-test hands guards to an engine', () => {
  const made = sources('{core,plugins,cli,bench,docs}/**/*.ts').flatMap((file) => [...read(file).matchAll(/\bnew [^;\n]*?Engine\(([^;\n]*)/g)].map(([, given = '']) => ({ file, given })));
  assert.ok(made.length >= 4, 'the places where engines are made are found');
  assert.deepEqual(made.filter(({ given }) => given.includes('without')).map(({ file }) => file), ['plugins/engines/namespace/selftest.ts', 'plugins/engines/qemu/selftest.ts']);
});

test('what the self-test leaves out is written in it: nothing of it comes from outside', () => {
  for (const file of sources('plugins/engines/*/selftest.ts', 'plugins/engines/probe/trials.ts')) assert.doesNotMatch(read(file), /process\.(?:env|argv)/, file);
  const callers = sources('{plugins,cli}/**/*.ts').filter((file) => /\bselfTest\(/.test(read(file)) && !file.endsWith('selftest.ts'));
  for (const file of callers) for (const [, given] of read(file).matchAll(/\bselfTest\(([^)]*)\)/g)) assert.match(given!, /^(?:qemuHome\(|)$/, `${file} tells the self-test nothing but where the kernels are`);
});

test('an engine reads no variable but those by which it finds its tools and its terminal', () => {
  const read_ = sources('plugins/engines/**/*.ts').filter((file) => !file.includes('/setup/')).flatMap((file) => [...read(file).matchAll(/process\.env(?:\['(\w+)'\])?/g)].map(([, name]) => name ?? `all, in ${file}`));
  assert.deepEqual([...new Set(read_)].sort(), ['PATH', 'TERM']);
});

test('no schema, preset or part of the command line knows guards', () => {
  const named = sources('cli/**/*.ts', 'presets/*', 'core/**/*.ts').filter((file) => /\bwithout\b['"]?\s*[:?\]]|\bGUARDS\b|guards\.ts/.test(read(file)));
  assert.deepEqual(named, []);
});

for (const [what, profile] of [
  ['without', { without: ['network'] }],
  ['guards', { guards: ['network'] }],
  ['sandbox.without', { sandbox: { without: ['network'] } }],
  ['options of the engine', { engine: { name: 'namespace', without: ['network'] } }],
] as const) {
  test(`a profile that would leave out guards by "${what}" is refused`, async () => {
    workspace.write('profile.json', profile);
    const { code, stdout, stderr } = await workspace.run('mentu-runtime', ['exec', '--profile', 'profile.json', '--', 'echo', 'ran']);
    assert.deepEqual([code, stdout], [125, ''], stderr);
    assert.match(stderr, /profile\.json.*(?:without|guards|engine)/s);
  });
}

test('a flag, or a name of an engine, that would leave out a guard is refused, and a variable has no effect', async () => {
  for (const args of [['--without', 'network'], ['--engine', 'namespace:without=network'], ['--guard=network']]) {
    const { code, stdout } = await workspace.run('mentu-runtime', ['exec', ...args, '--', 'echo', 'ran']);
    assert.deepEqual([code, stdout], [125, ''], args.join(' '));
  }
  const env = Object.fromEntries(['WITHOUT', 'GUARDS', 'MENTU_WITHOUT', 'MENTU_GUARDS', 'MENTU_ENGINE_WITHOUT', 'ENGINE_WITHOUT'].map((name) => [name, GUARDS.join()]));
  const { stdout } = await workspace.run('mentu-runtime', ['exec', '--network', 'none', '--', 'sh', '-c', 'readlink /proc/self/ns/net; cat /etc/login.defs 2>&1'], { env });
  assert.notEqual(stdout.split('\n')[0], readlinkSync('/proc/self/ns/net'));
  assert.match(stdout, /login\.defs: No such file/);
});
