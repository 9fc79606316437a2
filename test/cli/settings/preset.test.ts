import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { builtInPlugins, builtInPresets } from '../../../cli/settings/installation.ts';
import { loadPreset } from '../../../cli/settings/preset.ts';
import { presetText } from '../../../cli/settings/preset-text.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { parseYaml } from '../../../cli/settings/source-document.ts';
import { mistake, Workspace } from './workspace.ts';

function load(t: TestContext, files: Record<string, string>, reference = './p.yaml') {
  const workspace = new Workspace(t, files);
  return loadPreset(new SourceFiles(workspace.folder), reference, workspace.folder);
}

const keys = (preset: ReturnType<typeof load>) => preset.plugins.map((plugin) => plugin.key);

test('the presets that are shipped load, list plugins that are shipped, and describe themselves', (t) => {
  assert.deepEqual([...builtInPresets().keys()], ['audit', 'enforce', 'minimal', 'private', 'standard']);
  const plugins = builtInPlugins();
  for (const name of builtInPresets().keys()) {
    const preset = load(t, {}, name);
    assert.equal(preset.hasOwnFiles, false);
    assert.ok(preset.description.length > 20, name);
    assert.equal(keys(preset)[0], 'domain-policy', name);
    for (const key of keys(preset)) assert.ok(plugins.has(key), `${name} lists ${key}`);
  }
  assert.deepEqual(keys(load(t, {}, 'private')), ['domain-policy', 'dns-signals', 'redact', 'jsonl-sink', 'cir-sink']);
  assert.equal(load(t, {}, 'private').record.bodies?.value, 'none');
  assert.equal(load(t, {}, 'minimal').record.bodies?.value, 'none');
  assert.equal(load(t, {}, 'audit').record.bodyLimit?.value, 1024 ** 2);
});

test('a preset extends another: settings fall through, options are replaced in place, plugins are left out and added', (t) => {
  const preset = load(t, {
    'base.yaml': 'record: {bodies: none, bodyLimit: 1KiB}\ndomains: {denied: [a.test]}\nplugins:\n  - domain-policy\n  - redact:\n      a: 1\n  - ./mine\n  - jsonl-sink\n',
    'deep/p.yaml': 'extends: ../base.yaml\nrecord: {bodyLimit: 2KiB}\ndomains: {allowed: [b.test]}\nplugins:\n  - redact: {b: 2}\n  - ../mine: false\n  - domain-policy\n  - other\n',
  }, './deep/p.yaml');
  assert.deepEqual(keys(preset), ['domain-policy', 'redact', 'jsonl-sink', 'other']);
  assert.deepEqual(preset.plugins[1]?.options, { b: 2 });
  assert.equal(preset.plugins[1]?.origin, 'preset deep/p.yaml');
  assert.equal(preset.plugins[0]?.origin, 'preset base.yaml', 'a bare name keeps what is inherited');
  assert.deepEqual(preset.record, { bodies: { value: 'none', origin: 'preset base.yaml' }, bodyLimit: { value: 2048, origin: 'preset deep/p.yaml' } });
  assert.deepEqual(preset.lists, [
    { source: 'preset base.yaml', allowed: null, denied: ['a.test'] },
    { source: 'preset p.yaml', allowed: ['b.test'], denied: [] },
  ]);
  assert.deepEqual(preset.chain, ['deep/p.yaml', 'base.yaml']);
});

test('an empty preset is one that says nothing', (t) => {
  assert.deepEqual(keys(load(t, { 'p.yaml': '' })), []);
  assert.deepEqual(keys(load(t, { 'p.yaml': 'extends: standard\n' })), ['domain-policy', 'dns-signals', 'jsonl-sink', 'cir-sink']);
});

const bad: [name: string, text: string, code: string, place: string, ...words: string[]][] = [
  ['an unknown key', 'description: x\nplugin: []\n', 'settings_unknown_key', 'p.yaml:2:1', 'did you mean `plugins`?'],
  ['a key of the profile', 'sandbox: {}\n', 'settings_unknown_key', 'p.yaml:1:1', 'Unknown key `sandbox`'],
  ['a typo in domains', 'domains:\n  alowed: []\n', 'settings_unknown_key', 'p.yaml:2:3', 'in domains, did you mean `allowed`?'],
  ['bodies otherwise', 'record:\n  bodies: whle\n', 'settings_wrong_value', 'p.yaml:2:11', '"whole" or "none"', 'Did you mean "whole"?'],
  ['plugins as a map', 'plugins:\n  redact: {}\n', 'settings_wrong_value', 'p.yaml:2:3', 'plugins must be a list'],
  ['two plugins in one item', 'plugins:\n  - redact: {}\n    jsonl-sink: {}\n', 'settings_wrong_value', 'p.yaml:2:5', 'exactly 1 key'],
  ['a plugin as a number', 'plugins:\n  - redact\n  - 7\n', 'settings_wrong_value', 'p.yaml:3:5', 'plugins[1] must be a string or an object, not 7'],
  ['options as a list', 'plugins:\n  - redact: [a]\n', 'settings_wrong_value', 'p.yaml:2:13', 'plugins[0].redact'],
  ['options as true', 'plugins:\n  - redact: true\n', 'settings_wrong_value', 'p.yaml:2:13', 'options, or false'],
  ['a plugin listed twice', 'plugins:\n  - redact\n  - redact: {}\n', 'plugin_duplicate', 'p.yaml:3:5', 'p.yaml:2 and p.yaml:3'],
  ['leaving out what is not inherited', 'extends: standard\nplugins:\n  - jsonl-snk: false\n', 'plugin_not_inherited', 'p.yaml:3:5', 'did you mean `jsonl-sink`?'],
  ['an unknown parent', 'extends: standart\n', 'preset_unknown', 'p.yaml:1:10', 'did you mean `standard`?', 'audit, enforce'],
  ['a parent file that is not there', 'extends: ./none.yaml\n', 'file_unreadable', 'p.yaml:1:10', 'none.yaml'],
  ['itself as parent', 'extends: ./p.yaml\n', 'preset_cycle', 'p.yaml:1:10', 'p.yaml → p.yaml'],
  ['a bad pattern', 'domains:\n  denied:\n    - ok.test\n    - "*.*.test"\n', 'host_pattern_invalid', 'p.yaml:4:7', '*.*.test'],
  ['a bad size', 'record:\n  bodyQuota: 1 MiBB\n', 'settings_wrong_value', 'p.yaml:2:14', 'record.bodyQuota must be a number of bytes'],
  ['a duplicate key', 'description: a\nrecord: {}\ndescription: b\n', 'settings_duplicate_key', 'p.yaml:3:1', '`description`'],
  ['a duplicate key in a map of one line', 'domains: {denied: [], "denied": []}\n', 'settings_duplicate_key', 'p.yaml:1:23', '`denied`'],
  ['a tab', 'domains:\n\tdenied: []\n', 'settings_syntax', 'p.yaml:2:1', 'not valid YAML'],
  ['an open bracket', 'plugins: [redact\n', 'settings_syntax', 'p.yaml:2:1', 'not valid YAML'],
  ['a tag', 'description: !!js/function x\n', 'settings_syntax', 'p.yaml:1:14', 'not valid YAML'],
  ['two documents', 'description: a\n---\ndescription: b\n', 'settings_syntax', 'p.yaml:2:1', 'not valid YAML'],
  ['a list', '- redact\n', 'settings_wrong_value', 'p.yaml:1:1', 'must be an object'],
];

for (const [name, text, code, place, ...words] of bad) {
  test(`refused with its place: ${name}`, (t) => {
    assert.throws(() => load(t, { 'p.yaml': text }), mistake(code, place, ...words));
  });
}

test('a circle of three is told as it runs', (t) => {
  const files = { 'p.yaml': 'extends: ./b.yaml\n', 'b.yaml': 'extends: c.yaml\n', 'c.yaml': 'description: c\nextends: ./p.yaml\n' };
  assert.throws(() => load(t, files), mistake('preset_cycle', 'c.yaml:2:10', 'p.yaml → b.yaml → c.yaml → p.yaml'));
});

test('aliases that grow without bound are refused', (t) => {
  const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 0; i < 8; i++) lines.push(`${'bcdefghi'[i]}: &${'bcdefghi'[i]} [${Array(10).fill(`*${'abcdefgh'[i]}`).join(', ')}]`);
  assert.throws(() => load(t, { 'p.yaml': `${lines.join('\n')}\n` }), mistake('settings_syntax', 'p.yaml:1:1', 'alias'));
});

test('the text of a preset tells each origin and reads as YAML', (t) => {
  const preset = load(t, { 'p.yaml': 'description: Mine.\nextends: audit\ndomains: {denied: ["*.ads.test"]}\nplugins:\n  - ./my-plugin: {deny: [x.test]}\n' });
  const text = presetText(preset);
  const value = parseYaml({ path: '/x', shown: 'x', text }).value as { description: string; plugins: unknown[]; record: object };
  assert.equal(value.description, 'Mine.');
  assert.deepEqual(value.plugins.at(-1), { './my-plugin': { deny: ['x.test'] } });
  assert.deepEqual(value.record, { bodies: 'whole', bodyLimit: 1024 ** 2, streamLimit: 4096, bodyQuota: 10 * 1024 ** 3 });
  assert.match(text, /# p\.yaml, which extends audit, which extends standard/);
  assert.match(text, /jsonl-sink # preset standard \(.*standard\.yaml:\d+\)/);
  assert.match(text, /# preset p\.yaml \(p\.yaml:5\)\n\s+- \.\/my-plugin:|- # preset p\.yaml \(p\.yaml:5\)\n\s+\.\/my-plugin:/);
});
