import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseYaml } from '../../../cli/settings/source-document.ts';
import { Workspace } from '../settings/workspace.ts';

const PROGRAM = join(import.meta.dirname, 'settings-program.ts');

function run(workspace: Workspace, ...args: string[]) {
  const env = { ...process.env, MENTU_HOME: workspace.path('.home') };
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { cwd: workspace.folder, env, encoding: 'utf8', timeout: 20_000 });
  return { status, stdout, stderr };
}

test('presets list names each with its description', (t) => {
  const workspace = new Workspace(t);
  const { status, stdout } = run(workspace, 'presets', 'list');
  assert.equal(status, 0);
  for (const name of ['standard', 'audit', 'enforce', 'private', 'minimal']) assert.match(stdout, new RegExp(`^${name} +[A-Z].{20}`, 'm'));
  const json = JSON.parse(run(workspace, 'presets', 'list', '--json').stdout) as { name: string; default: boolean }[];
  assert.deepEqual(json.filter((preset) => preset.default).map((preset) => preset.name), ['standard']);
});

test('presets show prints YAML, of a name and of a path', (t) => {
  const workspace = new Workspace(t, { 'own.yaml': 'extends: enforce\ndomains: {denied: [x.test]}\n' });
  const { status, stdout } = run(workspace, 'presets', 'show', './own.yaml');
  assert.equal(status, 0);
  assert.match(stdout, /# own\.yaml, which extends enforce, which extends standard/);
  const value = parseYaml({ path: '', shown: '', text: stdout }).value as { plugins: unknown[] };
  assert.deepEqual(value.plugins, [{ 'domain-policy': { mode: 'enforce' } }, 'dns-signals', 'jsonl-sink', 'cir-sink']);
  const unknown = run(workspace, 'presets', 'show', 'enforc');
  assert.equal(unknown.status, 1);
  assert.match(unknown.stderr, /did you mean `enforce`\?/);
});

test('plugins list tells the built-in ones, and with --preset those of a preset', (t) => {
  const workspace = new Workspace(t, {
    'p.yaml': 'plugins: [./mine.ts]\n',
    'mine.ts': "export default { name: 'mine', description: 'Mine it is.', options: { type: 'object', properties: { depth: { type: 'integer' } } }, setup() {} };\n",
  });
  const { status, stdout, stderr } = run(workspace, 'plugins', 'list', '--preset', 'p.yaml');
  assert.equal(status, 0, stderr);
  for (const name of ['domain-policy', 'jsonl-sink', 'cir-sink', 'redact']) assert.match(stdout, new RegExp(`^${name} +built-in`, 'm'));
  assert.match(stdout, /^mine +\/.*mine\.ts +depth +Mine it is\.$/m);
  const json = JSON.parse(run(workspace, 'plugins', 'list', '--json').stdout) as { name: string; kind: string; description: string }[];
  assert.ok(json.every((plugin) => plugin.kind === 'built-in' && plugin.description.length > 0));
});

test('plugins new makes a plugin and says how to use it', (t) => {
  const workspace = new Workspace(t, { 'sub/x': '' });
  const made = run(workspace, 'plugins', 'new', 'mine', '--dir', 'sub');
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /--preset \.\/sub\/mine\/preset\.yaml/);
  assert.ok(existsSync(workspace.path('sub/mine/index.test.ts')));
  const again = run(workspace, 'plugins', 'new', 'mine', '--dir', 'sub');
  assert.equal(again.status, 1);
  assert.match(again.stderr, /is there already/);
});

test('config show tells every setting with its origin, and what trust would be needed for', (t) => {
  const workspace = new Workspace(t, { 'mentu.yaml': 'preset: private\ninterceptor:\n  passthrough: [bank.test]\n', 'p.json': '{"command": "make", "args": ["all"], "sandbox": {"allowedDomains": ["a.test"]}}' });
  const { status, stdout, stderr } = run(workspace, 'config', 'show', '--profile', 'p.json', '--network', 'none', '--deny', 'b.test');
  assert.equal(status, 0, stderr);
  const row = (name: string) => stdout.split('\n').find((line) => line.startsWith(`${name} `))?.replace(/ {2,}/g, ' | ');
  assert.equal(row('preset'), 'preset | mentu.yaml | private');
  assert.equal(row('command'), 'command | profile p.json | make all');
  assert.equal(row('networkMode'), 'networkMode | flag | none');
  assert.equal(row('lists[0]'), 'lists[0] | profile p.json | allowed: a.test; denied: none');
  assert.equal(row('lists[1]'), 'lists[1] | command line | allowed: all; denied: b.test');
  assert.equal(row('record.bodies'), 'record.bodies | preset private | none');
  assert.equal(row('passthrough[0]'), 'passthrough[0] | mentu.yaml | bank.test');
  assert.match(stdout, /is not trusted, and exec would refuse it, because it:\n  - sets interceptor\.passthrough \(mentu\.yaml:3\)/);

  const trust = run(workspace, 'config', 'trust');
  assert.equal(trust.status, 0, trust.stderr);
  assert.match(trust.stdout, /sets interceptor\.passthrough/);
  assert.match(trust.stdout, /^ {2}[0-9a-f]{16} {2}\/.*mentu\.yaml$/m);
  const shown = JSON.parse(run(workspace, 'config', 'show', '--json').stdout) as { settings: { name: string; origin: string }[]; config: { state: string } };
  assert.equal(shown.config.state, 'trusted');
  assert.equal(shown.settings.find((row) => row.name === 'engine')?.origin, 'default');
});

test('config trust without need or without file', (t) => {
  const none = run(new Workspace(t), 'config', 'trust');
  assert.equal(none.status, 1);
  assert.match(none.stdout, /no mentu\.yaml/);
  const harmless = new Workspace(t, { 'mentu.yaml': 'engine: namespace\n' });
  const { status, stdout } = run(harmless, 'config', 'trust');
  assert.equal(status, 0);
  assert.match(stdout, /needs trust/);
  assert.ok(!existsSync(harmless.path('.home')));
});

test('a mistake in a file is told with its line, and exit code 1', (t) => {
  const workspace = new Workspace(t, { 'p.json': '{\n "sandbox": {"alowedDomains": []}}' });
  const { status, stderr } = run(workspace, 'config', 'show', '--profile', 'p.json');
  assert.equal(status, 1);
  assert.match(stderr, /p\.json:2:14: Unknown key `alowedDomains` in sandbox, did you mean `allowedDomains`\?/);
});
