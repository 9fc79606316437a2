import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { test } from 'node:test';
import { importPlugins } from '../../../cli/plugins/loader.ts';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { scaffoldPlugin } from '../../../cli/plugins/scaffold.ts';
import { loadPreset } from '../../../cli/settings/preset.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { mistake, Workspace } from '../settings/workspace.ts';

function runTests(folder: string) {
  // Without the variable by which a test runner knows that it runs inside another.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return spawnSync(process.execPath, ['--test', '--test-reporter=tap'], { cwd: folder, env, encoding: 'utf8', timeout: 30_000 });
}

test('a new plugin passes its test, the test can fail, and its preset loads it', async (t) => {
  const workspace = new Workspace(t);
  const { folder, files } = scaffoldPlugin('my-plugin', workspace.folder);
  assert.deepEqual(files, ['index.ts', 'index.test.ts', 'preset.yaml', 'package.json', '.gitignore']);
  const green = runTests(folder);
  assert.equal(green.status, 0, green.stdout + green.stderr);
  assert.match(green.stdout, /# pass 2/);

  const broken = readFileSync(`${folder}/index.ts`, 'utf8').replace("action: 'deny'", "action: 'allow'");
  workspace.write('my-plugin/index.ts', broken);
  const red = runTests(folder);
  assert.equal(red.status, 1);
  assert.match(red.stdout, /# fail 1/);

  const modules = new PluginModules();
  t.after(() => modules.close());
  const preset = loadPreset(new SourceFiles(workspace.folder), './my-plugin/preset.yaml', workspace.folder);
  const [loaded] = await importPlugins(preset.plugins.filter((plugin) => plugin.key === './index.ts'), modules, workspace.folder);
  assert.equal(loaded?.name, 'my-plugin');
  assert.deepEqual(loaded?.options, { deny: ['blocked.test'] });
});

test('nothing is overwritten, and no bad name is taken', (t) => {
  const workspace = new Workspace(t, { 'there/index.ts': 'mine' });
  symlinkSync('/nonexistent', workspace.path('link'));
  const make = (name: string) => () => scaffoldPlugin(name, workspace.folder);
  assert.throws(make('there'), mistake('scaffold_exists', '', workspace.path('there'), 'nothing was written'));
  assert.equal(readFileSync(workspace.path('there/index.ts'), 'utf8'), 'mine');
  assert.throws(make('link'), mistake('scaffold_exists', ''));
  for (const name of ['My', '../up', 'a b', '', '1a', 'core']) assert.throws(make(name), mistake('plugin_name_invalid', ''), name);
  assert.throws(make('jsonl-sink'), mistake('plugin_name_invalid', '', 'built-in'));
  assert.ok(!existsSync(workspace.path('core')));
});

test('a plugin made inside a package of that very name passes its test too', (t) => {
  const workspace = new Workspace(t, { 'package.json': '{"name": "mentu-interceptor", "exports": "./i.js"}', 'i.js': '' });
  const { status, stdout } = runTests(scaffoldPlugin('inner', workspace.folder).folder);
  assert.equal(status, 0, stdout);
});

test('where mentu-interceptor is installed, the plugin uses that', (t) => {
  const workspace = new Workspace(t, { 'node_modules/mentu-interceptor/package.json': '{"name": "mentu-interceptor", "main": "i.js"}', 'node_modules/mentu-interceptor/i.js': '' });
  const { folder } = scaffoldPlugin('mine', workspace.folder);
  assert.ok(!existsSync(`${folder}/node_modules`));
});
