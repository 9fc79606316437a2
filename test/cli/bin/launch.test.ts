import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCE = join(import.meta.dirname, '../../../cli/bin');
const REPORT = 'console.log(JSON.stringify({ script: import.meta.filename, node: process.execPath, pid: process.pid, args: process.argv.slice(2), flags: process.execArgv }));';

let folder: string;
before(() => (folder = mkdtempSync(join(tmpdir(), 'mentu launch-'))));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A package in a folder of its own, with a blank in its name, whose program reports how it was started. */
function packageIn(name: string, files: Record<string, string>): string {
  const root = join(folder, name);
  cpSync(SOURCE, join(root, 'cli/bin'), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"type": "module", "version": "9.9.9"}');
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, file), content);
  }
  return root;
}

/** A folder for the PATH whose `node` says that it has a version, and for all else is the real one. */
function nodeOf(version: string): string {
  const directory = join(folder, `node-${version}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'node'), `#!/bin/sh\n[ "$1" = --version ] && echo v${version} && exit\nexec '${process.execPath}' "$@"\n`);
  chmodSync(join(directory, 'node'), 0o755);
  return directory;
}

const SYSTEM_PATH = '/usr/local/nothing';
const SHELL_TOOLS = (): string => {
  const directory = join(folder, 'tools');
  mkdirSync(directory, { recursive: true });
  for (const tool of ['readlink', 'sh']) {
    const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim();
    try {
      symlinkSync(found, join(directory, tool));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  return directory;
};

function start(program: string, args: string[], ...path: string[]): { code: number | null; stderr: string; report: { script: string; node: string; args: string[]; pid: number } | null } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 20_000, env: { PATH: [...path, SHELL_TOOLS(), SYSTEM_PATH].join(':') } });
  return { code: status, stderr, report: stdout === '' ? null : JSON.parse(stdout) };
}

test('a checkout runs its sources, a package its compiled output; arguments come through as they are', () => {
  const checkout = packageIn('checkout', { 'cli/mentu.ts': `const n: number = 1; ${REPORT} export { n };`, 'dist/cli/mentu.js': REPORT });
  const args = ['a b', '', '--x=$HOME', "it's", '*'];
  const fromSources = start(join(checkout, 'cli/bin/mentu'), args, nodeOf('26.0.0'));
  assert.deepEqual([fromSources.code, fromSources.report?.script, fromSources.report?.args], [0, join(checkout, 'cli/mentu.ts'), args]);
  const installed = packageIn('installed', { 'dist/cli/mentu.js': REPORT, 'dist/cli/mentu-runtime.js': REPORT });
  for (const name of ['mentu', 'mentu-runtime']) {
    assert.equal(start(join(installed, 'cli/bin', name), [], nodeOf('26.0.0')).report?.script, join(installed, `dist/cli/${name}.js`));
  }
});

test('is found through symbolic links, as npm installs it, also under another name', () => {
  const root = packageIn('linked', { 'dist/cli/mentu.js': REPORT });
  mkdirSync(join(folder, 'links'), { recursive: true });
  symlinkSync(join(root, 'cli/bin/mentu'), join(folder, 'links/first'));
  symlinkSync('first', join(folder, 'links/second'));
  assert.equal(start(join(folder, 'links/second'), [], nodeOf('26.0.0')).report?.script, join(root, 'dist/cli/mentu.js'));
});

test('prefers the Node beside the package where it is new enough, else takes that of the PATH', () => {
  const root = packageIn('own-node', { 'dist/cli/mentu.js': REPORT });
  mkdirSync(join(root, 'node_modules/node/bin'), { recursive: true });
  symlinkSync(process.execPath, join(root, 'node_modules/node/bin/node'));
  assert.equal(start(join(root, 'cli/bin/mentu'), [], nodeOf('20.1.0')).code, 0, 'the PATH has only an old one');
  rmSync(join(root, 'node_modules/node/bin/node'));
  symlinkSync(join(nodeOf('20.1.0'), 'node'), join(root, 'node_modules/node/bin/node'));
  assert.equal(start(join(root, 'cli/bin/mentu'), [], nodeOf('24.12.0')).code, 0, 'the own one is too old');
});

for (const [version, wanted] of [['24.12.0', 0], ['24.13.1', 0], ['25.0.0', 0], ['30.1.0', 0], ['24.11.9', 125], ['22.20.0', 125], ['9.99.0', 125]] as const) {
  test(`Node ${version} on the PATH ${wanted === 0 ? 'serves' : 'is too old'}`, () => {
    const { code, stderr } = start(join(packageIn(`v${version}`, { 'dist/cli/mentu.js': REPORT }), 'cli/bin/mentu'), [], nodeOf(version));
    assert.equal(code, wanted);
    if (wanted === 0) assert.equal(stderr, '');
    else assert.match(stderr, /^mentu: Node 24\.12 or newer is needed[^\n]*npm install[^\n]*\n$/);
  });
}

test('without any Node, or without the program: one clear line and 125', () => {
  const root = packageIn('no-node', { 'dist/cli/mentu.js': REPORT });
  const bare = start(join(root, 'cli/bin/mentu'), []);
  assert.deepEqual([bare.code, bare.stderr.split('\n').length], [125, 2]);
  assert.match(bare.stderr, /Node 24\.12 or newer is needed/);
  const missing = start(join(root, 'cli/bin/mentu-runtime'), [], nodeOf('26.0.0'));
  assert.deepEqual([missing.code, missing.stderr.split('\n').length], [125, 2]);
  assert.match(missing.stderr, /^mentu-runtime: neither .*mentu-runtime\.ts nor .*mentu-runtime\.js is there/);
});

test('the program takes the place of the script, and passes on its exit code', { timeout: 20_000 }, async () => {
  const root = packageIn('exec', { 'dist/cli/mentu.js': `${REPORT} process.exitCode = 7;` });
  const child = spawn(join(root, 'cli/bin/mentu'), { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: `${nodeOf('26.0.0')}:${SHELL_TOOLS()}` } });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const [code] = (await once(child, 'close')) as [number];
  assert.deepEqual([code, (JSON.parse(output) as { pid: number }).pid], [7, child.pid]);
});
