import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { importPlugins } from '../../../cli/plugins/loader.ts';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { loadConfig } from '../../../cli/settings/config.ts';
import { packageRoot } from '../../../cli/settings/installation.ts';
import { loadPreset } from '../../../cli/settings/preset.ts';
import { loadProfile } from '../../../cli/settings/profile.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { Workspace } from './workspace.ts';

function blocks(document: string, language: string): string[] {
  const text = readFileSync(join(packageRoot, 'docs', document), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter((match) => match[1] === language).map((match) => match[2]!);
}

test('the profiles and the mentu.yaml of the documentation are valid', (t) => {
  const profiles = blocks('profile.md', 'json');
  assert.equal(profiles.length, 3);
  const [config, ...rest] = blocks('profile.md', 'yaml');
  assert.equal(rest.length, 0);
  const workspace = new Workspace(t, { 'mentu.yaml': config! });
  for (const [index, text] of profiles.entries()) {
    workspace.write(`${index}.json`, text);
    loadProfile(new SourceFiles(workspace.folder), `${index}.json`);
  }
  assert.equal(loadConfig(new SourceFiles(workspace.folder))?.value.preset, 'private');
});

test('the preset of the documentation loads the plugin of the documentation', async (t) => {
  const [preset] = blocks('presets.md', 'yaml');
  const [plugin] = blocks('presets.md', 'ts');
  assert.ok(plugin!.trim().split('\n').length <= 20);
  const workspace = new Workspace(t, { 'p.yaml': preset!, 'no-uploads/index.ts': plugin! });
  const modules = new PluginModules();
  t.after(() => modules.close());
  const plugins = await importPlugins(loadPreset(new SourceFiles(workspace.folder), 'p.yaml', workspace.folder).plugins, modules, workspace.folder);
  assert.deepEqual(plugins.map(({ name }) => name), ['domain-policy', 'dns-signals', 'jsonl-sink', 'redact', 'no-uploads']);
});
