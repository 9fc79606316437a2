import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { importPlugins } from '../../../cli/plugins/loader.ts';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { settleJob } from '../../../cli/settings/job-settings.ts';
import { examineConfig, readSources, type SettingFlags } from '../../../cli/settings/setting-sources.ts';
import { TrustStore } from '../../../cli/settings/trust-store.ts';
import { mistake, Workspace } from './workspace.ts';

class Folder extends Workspace {
  readonly modules = new PluginModules();
  readonly #home: string;

  constructor(t: TestContext, files: Readonly<Record<string, string>>) {
    super(t, Object.fromEntries(Object.entries(files).map(([name, text]) => [`work/${name}`, text])));
    mkdirSync(this.path('work'), { recursive: true });
    this.#home = this.path('home');
    t.after(() => this.modules.close());
  }

  get options() {
    return { cwd: this.path('work'), modules: this.modules, home: this.#home };
  }

  read(flags: SettingFlags = {}) {
    return readSources(flags, this.options);
  }

  trust(): void {
    const found = examineConfig(this.options)!;
    new TrustStore(this.#home).trust(found.realPath, found.vouched.digest, [...found.vouched.hashes.keys()]);
  }

  /** Reads the settings and imports their plugins, as a run does. */
  async run(): Promise<string[]> {
    const { plugins } = this.read();
    return (await importPlugins(plugins.filter((plugin) => plugin.origin === 'mentu.yaml'), this.modules, this.path('work'))).map((plugin) => plugin.name);
  }
}

const PLUGIN = "export default { name: 'mine', setup() {} };\n";

test('a preset that enforces no lists needs trust, though it comes with the program', (t) => {
  assert.throws(() => new Folder(t, { 'mentu.yaml': 'preset: audit\n' }).read({ deny: ['a.test'] }), mistake('config_untrusted', undefined, 'audit', 'enforces no lists'));
  const named = new Folder(t, { 'mentu.yaml': 'profile: p.json\n', 'p.json': '{"interceptor": {"preset": "audit"}}' });
  assert.throws(() => named.read(), mistake('config_untrusted', undefined, 'audit'));
  assert.equal(new Folder(t, { 'mentu.yaml': 'preset: enforce\nsandbox: {allowedDomains: [a.test]}\n' }).read().trust?.state, 'unneeded');
});

test('what only chooses and narrows needs no trust', (t) => {
  const folder = new Folder(t, {
    'mentu.yaml': 'profile: p.json\npreset: private\nengine: namespace\nnetworkMode: none\njobDir: records/one\ncommand: make\nenv: {A: b}\nsandbox: {allowedDomains: [a.test]}\ninterceptor: {bodyLimit: 1KiB}\nplugins: [redact]\n',
    'p.json': '{"command": "x", "env": {"LD_PRELOAD": "x"}, "sandbox": {"deniedDomains": ["b.test"]}}',
  });
  const sources = folder.read();
  assert.equal(sources.trust?.state, 'unneeded');
  assert.equal(sources.preset.name, 'private');
});

const claims: [name: string, config: string, place: string, word: string, files?: Record<string, string>, flags?: SettingFlags][] = [
  ['a plugin by path', 'plugins:\n  - redact\n  - ./mine\n', 'mentu.yaml:3:5', 'loads the plugin ./mine', { 'mine/index.ts': PLUGIN }],
  ['a plugin by package', 'plugins:\n  - mine\n', 'mentu.yaml:2:5', 'loads the plugin mine', { 'node_modules/mine/package.json': '{"main": "i.js"}', 'node_modules/mine/i.js': 'module.exports = {name: "mine", setup() {}}' }],
  ['options of a built-in plugin', 'plugins:\n  - redact: {x: 1}\n', 'mentu.yaml:2:5', 'sets options of the plugin redact'],
  ['a plugin left out', 'plugins:\n  - domain-policy: false\n', 'mentu.yaml:2:5', 'leaves out the plugin domain-policy'],
  ['mounts', 'mounts:\n  - {source: /etc, destination: /e}\n', 'mentu.yaml:1:1', 'mounts'],
  ['hosts', 'interceptor:\n  hosts: {a.test: 127.0.0.1}\n', 'mentu.yaml:2:3', 'interceptor.hosts'],
  ['trusted CAs', 'interceptor:\n  trustedCAs: [ca.pem]\n', 'mentu.yaml:2:3', 'interceptor.trustedCAs', { 'ca.pem': 'x' }],
  ['passthrough', 'interceptor:\n  passthrough: ["*"]\n', 'mentu.yaml:2:3', 'interceptor.passthrough'],
  ['a key log', 'interceptor:\n  keyLog: true\n', 'mentu.yaml:2:3', 'interceptor.keyLog'],
  ['packets', 'interceptor:\n  pcap: true\n', 'mentu.yaml:2:3', 'interceptor.pcap'],
  ['DNS servers', 'interceptor:\n  dnsServers: [192.0.2.53]\n', 'mentu.yaml:2:3', 'interceptor.dnsServers'],
  ['client certificates', 'interceptor:\n  clientCertificates: [{host: "*", cert: c.pem, key: c.key}]\n', 'mentu.yaml:2:3', 'interceptor.clientCertificates', { 'c.pem': 'x', 'c.key': 'x' }],
  ['client authentication', 'interceptor:\n  clientAuth: [{host: "*"}]\n', 'mentu.yaml:2:3', 'interceptor.clientAuth'],
  ['what becomes of pinned names', 'interceptor:\n  onPinned: passthrough\n', 'mentu.yaml:2:3', 'interceptor.onPinned'],
  ['an upstream proxy', 'interceptor:\n  upstreamProxy: http://evil.test:1\n', 'mentu.yaml:2:3', 'interceptor.upstreamProxy'],
  ['a profile with mounts', 'profile: p.json\n', 'p.json:1:2', 'mounts', { 'p.json': '{"mounts": [{"source": "/etc", "destination": "/e"}]}' }],
  ['a profile with hosts', 'profile: p.json\n', 'p.json:1:18', 'interceptor.hosts', { 'p.json': '{"interceptor": {"hosts": {"a.test": "127.0.0.1"}}}' }],
  ['a profile whose preset loads a plugin', 'profile: p.json\n', 'own.yaml:3:5', 'loads the plugin ./mine', { 'p.json': '{"interceptor": {"preset": "./own.yaml"}}', 'own.yaml': 'extends: standard\nplugins:\n  - ./mine\n', 'mine/index.ts': PLUGIN }],
  ['a preset that loads a plugin', 'preset: ./own.yaml\n', 'own.yaml:3:5', 'loads the plugin ./mine', { 'own.yaml': 'extends: standard\nplugins:\n  - ./mine\n', 'mine/index.ts': PLUGIN }],
  ['a preset whose parent loads a plugin', 'preset: ./own.yaml\n', 'base.yaml:3:5', 'loads the plugin ./mine', { 'own.yaml': 'extends: ./base.yaml\n', 'base.yaml': 'extends: standard\nplugins:\n  - ./mine\n', 'mine/index.ts': PLUGIN }],
  ['a preset that enforces no lists', 'preset: ./own.yaml\n', 'own.yaml', 'enforces no lists', { 'own.yaml': 'plugins: [jsonl-sink]\n' }],
  ['a record outside', 'jobDir: ../elsewhere\n', 'mentu.yaml:1:9', 'outside the working directory'],
  ['a command on the host', 'command: evil\n', 'mentu.yaml:1:1', 'on the host itself', {}, { host: true }],
  ['a variable on the host', 'profile: p.json\n', 'p.json:1:2', 'sets env of what runs on the host', { 'p.json': '{"env": {"LD_PRELOAD": "x"}}' }, { host: true, commandLine: ['true'] }],
];

for (const [name, config, place, word, files = {}, flags = {}] of claims) {
  test(`refused until trusted: ${name}`, (t) => {
    const folder = new Folder(t, { 'mentu.yaml': config, ...files });
    assert.throws(() => folder.read(flags), mistake('config_untrusted', place, word, 'nobody has vouched for it', 'mentu-runtime config trust'));
  });
}

test('not to write keys or packets needs no trust', (t) => {
  const folder = new Folder(t, { 'mentu.yaml': 'interceptor: {keyLog: false, pcap: false}\n' });
  assert.equal(folder.read().trust?.state, 'unneeded');
});

test('an untrusted one can be shown', (t) => {
  const folder = new Folder(t, { 'mentu.yaml': 'interceptor: {passthrough: [a.test]}\n' });
  const sources = readSources({}, { ...folder.options, requireTrust: false });
  assert.equal(sources.trust?.state, 'unknown');
  assert.deepEqual(settleJob(sources).passthrough, [{ host: 'a.test', allowEch: false }]);
});

test('a record behind a link that leads outside needs trust', (t) => {
  const folder = new Folder(t, { 'mentu.yaml': 'jobDir: link/record\n' });
  symlinkSync('/tmp', folder.path('work/link'));
  assert.throws(() => folder.read(), mistake('config_untrusted', 'mentu.yaml:1:9', 'outside'));
});

test('a mentu.yaml that is a link is refused, trusted or not', (t) => {
  const folder = new Folder(t, { 'real.yaml': 'engine: namespace\n' });
  symlinkSync('real.yaml', folder.path('work/mentu.yaml'));
  assert.throws(() => folder.read(), mistake('config_symlink', 'mentu.yaml'));
  assert.throws(() => folder.trust(), mistake('config_symlink', 'mentu.yaml'));
});

test('mentu.yaml of a folder above is nobody’s', (t) => {
  const folder = new Folder(t, { 'mentu.yaml': 'mounts: [{source: /etc, destination: /e}]\n', 'below/x': '' });
  assert.equal(readSources({}, { ...folder.options, cwd: folder.path('work/below') }).config, null);
});

test('its mistakes have their place', (t) => {
  const refused = (text: string, code: string, place: string, ...words: string[]) =>
    assert.throws(() => new Folder(t, { 'mentu.yaml': text }).read(), mistake(code, place, ...words));
  refused('profil: x\n', 'settings_unknown_key', 'mentu.yaml:1:1', 'did you mean `profile`?');
  refused('bodyLimit: 1\n', 'settings_unknown_key', 'mentu.yaml:1:1', 'did you mean `interceptor.bodyLimit`?');
  refused('profile: none.json\n', 'file_unreadable', 'mentu.yaml:1:10', 'none.json');
  refused('preset: standrd\n', 'preset_unknown', 'mentu.yaml:1:9', 'did you mean `standard`?');
  refused('sandbox:\n  allowedDomains:\n    - http://x\n', 'host_pattern_invalid', 'mentu.yaml:3:7');
});

const REACHING = {
  'mentu.yaml': 'profile: p.json\nplugins:\n  - ./mine\n  - ./single.ts\n',
  'p.json': '{"interceptor": {"passthrough": ["a.test"], "preset": "./own.yaml"}}',
  'own.yaml': 'extends: standard\n',
  'mine/index.ts': "import { part } from './part.ts';\nimport { above } from '../above.mjs';\nexport default { name: 'mine', setup() { return part + above; } };\n",
  'mine/part.ts': 'export const part: number = 1;\n',
  'mine/data.json': '{}',
  'above.mjs': 'export const above = 2;\n',
  'single.ts': "import needed from 'needed';\nexport default { name: 'single', setup() { return needed; } };\n",
  'node_modules/needed/package.json': '{"main": "i.js"}',
  'node_modules/needed/i.js': "module.exports = require('./j.js');\n",
  'node_modules/needed/j.js': 'module.exports = 3;\n',
};

test('trusted, it is taken; the store is for the user alone', async (t) => {
  const folder = new Folder(t, REACHING);
  folder.trust();
  assert.equal(folder.read().trust?.state, 'trusted');
  assert.deepEqual(await folder.run(), ['mine', 'single']);
  assert.equal(statSync(folder.path('home')).mode & 0o777, 0o700);
  assert.equal(statSync(folder.path('home/trusted.json')).mode & 0o777, 0o600);
});

for (const file of Object.keys(REACHING).filter((name) => !name.endsWith('package.json'))) {
  test(`a change of ${file} takes the trust away`, (t) => {
    const folder = new Folder(t, REACHING);
    folder.trust();
    folder.write(`work/${file}`, `${REACHING[file as keyof typeof REACHING]} `);
    assert.throws(() => folder.read(), mistake('config_untrusted', undefined, 'has changed since it was trusted'));
    folder.trust();
    assert.equal(folder.read().trust?.state, 'trusted');
  });
}

test('a file that joins the folder of a plugin takes the trust away', (t) => {
  const folder = new Folder(t, REACHING);
  folder.trust();
  folder.write('work/mine/new.ts', '');
  assert.throws(() => folder.read(), mistake('config_untrusted', undefined, 'has changed'));
});

test('a mount source that is led elsewhere takes the trust away', (t) => {
  const folder = new Folder(t, { 'mentu.yaml': 'mounts: [{source: data, destination: /d}]\n', 'data/x': '' });
  folder.trust();
  folder.read();
  rmSync(folder.path('work/data'), { recursive: true });
  symlinkSync('/etc', folder.path('work/data'));
  assert.throws(() => folder.read(), mistake('config_untrusted', 'mentu.yaml:1:1', 'has changed'));
});

test('a trusted plugin cannot import what was not vouched for, nor what changed after the check', async (t) => {
  const folder = new Folder(t, { 'mentu.yaml': 'plugins: [./mine.mjs]\n', 'mine.mjs': "const name = './hid' + 'den.mjs';\nawait import(name);\nexport default { name: 'mine', setup() {} };\n", 'hidden.mjs': '' });
  folder.trust();
  await assert.rejects(folder.run(), mistake('plugin_not_vouched', 'mentu.yaml:1:11', 'hidden.mjs'));

  const late = new Folder(t, { 'mentu.yaml': 'plugins: [./late.mjs]\n', 'late.mjs': PLUGIN });
  late.trust();
  const { plugins } = late.read();
  late.write('work/late.mjs', `${PLUGIN}globalThis.evil = true;\n`);
  await assert.rejects(importPlugins(plugins.slice(-1), late.modules, late.path('work')), mistake('plugin_not_vouched', 'mentu.yaml:1:11', 'late.mjs'));
  assert.equal('evil' in globalThis, false);
});

test('trust belongs to one path', (t) => {
  const config = 'interceptor: {passthrough: [a.test]}\n';
  const folder = new Folder(t, { 'mentu.yaml': config, 'copy/mentu.yaml': config });
  folder.trust();
  folder.read();
  assert.throws(() => readSources({}, { ...folder.options, cwd: folder.path('work/copy') }), mistake('config_untrusted', undefined, 'nobody has vouched'));
});

test('a store that another could have written is not believed', (t) => {
  const folder = new Folder(t, { 'mentu.yaml': 'interceptor: {passthrough: [a.test]}\n' });
  folder.trust();
  const store = folder.path('home/trusted.json');
  chmodSync(store, 0o622);
  assert.throws(() => folder.read(), mistake('trust_store_unsafe', store, 'others may write it'));
  chmodSync(store, 0o600);
  writeFileSync(store, '{"version": 1, "configs": ');
  assert.throws(() => folder.read(), mistake('trust_store_unsafe', store));
  rmSync(store);
  symlinkSync('/dev/null', store);
  assert.throws(() => folder.read(), mistake('trust_store_unsafe', store, 'not a regular file'));
});

test('a bare mention of an inherited plugin does not undo its options', (t) => {
  const folder = new Folder(t, { 'mentu.yaml': 'plugins: [domain-policy]\n' });
  const settings = settleJob(folder.read({ preset: 'enforce' }));
  assert.deepEqual(settings.plugins[0]?.options, { mode: 'enforce' });
});
