/** The set-up, with an npm and an apt-get that write down what they are asked; a package is hidden by a mount. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

const SETUP = join(import.meta.dirname, '../../.ci/setup');
/** Where Debian keeps PostgreSQL, and nothing else that is looked for: under an empty mount, it is missing. */
const POSTGRESQL = '/usr/lib/postgresql';

class Machine {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mentu-setup-'));

  constructor(context: TestContext) {
    context.after(() => rmSync(this.#folder, { recursive: true, force: true }));
    for (const folder of ['.ci', 'bin']) mkdirSync(join(this.#folder, folder));
    copyFileSync(SETUP, join(this.#folder, '.ci/setup'));
    this.lock({ '': { version: '1.0.0' }, 'node_modules/needed': { version: '1.0.0' } });
    this.program('npm', `mkdir -p node_modules/.bin && cp package-lock.json node_modules/.package-lock.json && ln -sf '${process.execPath}' node_modules/.bin/node`);
    this.program('apt-get', ':');
  }

  lock(packages: Readonly<Record<string, { version: string; optional?: true }>>): void {
    writeFileSync(join(this.#folder, 'package-lock.json'), JSON.stringify({ packages }));
  }

  /** Stands in for a program; `script` is what it does after it has noted its arguments. */
  program(name: string, script: string): void {
    writeFileSync(join(this.#folder, 'bin', name), `#!/bin/sh\necho "$*" >>"${this.#folder}/${name}.log"\n${script}\n`, { mode: 0o755 });
  }

  /** What the program was asked, a line a call. */
  calls(name: string): string[] {
    const file = join(this.#folder, `${name}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  }

  run({ uid = 0, hidden = [] as readonly string[] } = {}): { readonly code: number | null; readonly output: string } {
    const view = ['--dev-bind', '/', '/', '--unshare-user', '--uid', `${uid}`, ...hidden.flatMap((path) => ['--tmpfs', path])];
    const { status, stdout, stderr } = spawnSync('bwrap', [...view, 'sh', join(this.#folder, '.ci/setup'), 'test'], {
      env: { ...process.env, PATH: `${this.#folder}/bin:${process.env['PATH']}` },
      encoding: 'utf8',
      timeout: 20_000,
    });
    return { code: status, output: stdout + stderr };
  }
}

test('npm packages are installed once, and again when the lock file lists others', (t) => {
  const machine = new Machine(t);
  const once = ['ci --include=dev --loglevel=error'];
  assert.deepEqual(machine.run(), { code: 0, output: 'Installing npm packages, as package-lock.json lists them\n' });
  assert.deepEqual(machine.calls('npm'), once);
  assert.deepEqual(machine.run(), { code: 0, output: '' }, 'quiet where nothing is missing');
  machine.lock({ '': { version: '1.1.0' }, 'node_modules/needed': { version: '1.0.0' }, 'node_modules/for-another-system': { version: '1.0.0', optional: true } });
  assert.equal(machine.run().code, 0);
  assert.deepEqual(machine.calls('npm'), once);
  machine.lock({ '': { version: '1.0.0' }, 'node_modules/needed': { version: '1.0.1' } });
  assert.equal(machine.run().code, 0);
  assert.deepEqual(machine.calls('npm'), [...once, ...once]);
  assert.deepEqual(machine.calls('apt-get'), []);
});

test('as root, what is missing of Debian is installed, after the lists were fetched', (t) => {
  const machine = new Machine(t);
  const { code, output } = machine.run({ hidden: [POSTGRESQL] });
  assert.equal(code, 0, output);
  assert.match(output, /^Installing Debian packages: postgresql$/m);
  const [update, install, ...more] = machine.calls('apt-get');
  assert.equal(update, '-q update');
  assert.match(install!, /^-q install -y --no-install-recommends .*Timeout=\d+ postgresql$/);
  assert.deepEqual(more, []);
});

test('another user is told the line to run, and nothing is done', (t) => {
  const machine = new Machine(t);
  const { code, output } = machine.run({ uid: 1000, hidden: [POSTGRESQL] });
  assert.equal(code, 1);
  assert.ok(output.includes("sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends postgresql'\n"), output);
  assert.deepEqual([...machine.calls('apt-get'), ...machine.calls('npm')], []);
});

for (const [name, hidden] of [['apt-get', [POSTGRESQL]], ['npm', []]] as const) {
  test(`a failure of ${name} ends the set-up with its own words`, (t) => {
    const machine = new Machine(t);
    machine.program(name, 'echo "the disk is full" >&2; exit 100');
    const { code, output } = machine.run({ hidden });
    assert.notEqual(code, 0);
    assert.match(output, new RegExp(`This failed: ${name} [^]*the disk is full`));
  });
}
