import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { commandOf, settleJob } from '../../../cli/settings/job-settings.ts';
import { jobView } from '../../../cli/settings/job-view.ts';
import { readSources, type SettingFlags } from '../../../cli/settings/setting-sources.ts';
import { settingRows } from '../../../cli/settings/setting-rows.ts';
import { TrustStore } from '../../../cli/settings/trust-store.ts';
import { examineConfig } from '../../../cli/settings/setting-sources.ts';
import { mistake, Workspace } from './workspace.ts';

function settle(t: TestContext, files: Record<string, unknown>, flags: SettingFlags = {}) {
  const workspace = new Workspace(t, Object.fromEntries(Object.entries(files).map(([name, content]) => [name, typeof content === 'string' ? content : JSON.stringify(content)])));
  const modules = new PluginModules();
  t.after(() => modules.close());
  const options = { cwd: workspace.folder, modules, home: workspace.path('.home') };
  const found = examineConfig(options);
  if (found) new TrustStore(options.home).trust(found.realPath, found.vouched.digest, []);
  return { settings: settleJob(readSources(flags, options)), workspace };
}

test('without anything, the defaults hold', (t) => {
  const { settings } = settle(t, {});
  assert.deepEqual(
    { ...settings, preset: settings.preset.name, plugins: settings.plugins.map((plugin) => plugin.key), cwd: '', workspace: '', provenance: {} },
    {
      step: null, command: null, args: [], env: {}, cwd: '', workspace: '', mounts: [], engine: null, networkMode: 'nat', limits: { cpus: null, memoryMiB: null }, timeout: null,
      restartPolicy: { text: 'no', restarts: 0 }, ports: [], rootfs: null, kernel: null, interceptor: false, host: false, jobDir: null, lists: [], hosts: {},
      trustedCAs: [], clientCertificates: [], clientAuth: [], passthrough: [], onPinned: 'fail', dnsServers: null, upstreamProxy: null, keys: { keyLog: false, pcap: false }, record: { bodies: 'whole', bodyLimit: 1024 ** 2, streamLimit: 4096, bodyQuota: 10 * 1024 ** 3 },
      preset: 'standard', plugins: ['domain-policy', 'dns-signals', 'jsonl-sink', 'cir-sink'], provenance: {},
    },
  );
  assert.equal(settings.provenance['networkMode'], 'default');
  assert.equal(settings.provenance['record.bodyLimit'], 'preset standard');
  assert.throws(() => commandOf(settings), mistake('command_missing', '', 'the key `command` of the profile'));
});

test('what a line of the record holds is bounded, in a profile, in mentu.yaml and in a preset', (t) => {
  const limits = (interceptor: object) => settle(t, { 'p.json': { interceptor } }, { profile: 'p.json' }).settings.record;
  assert.equal(limits({ bodyLimit: '64MiB', streamLimit: 64 * 1024 ** 2, bodyQuota: '1TiB' }).bodyLimit, 64 * 1024 ** 2);
  for (const [key, value] of [['bodyLimit', '65MiB'], ['streamLimit', '2GiB'], ['streamLimit', 1e9]] as const) {
    assert.throws(() => limits({ [key]: value }), mistake('settings_wrong_value', undefined, 'p.json', key, key === 'streamLimit' && value === 1e9 ? '67108864' : '64MiB at most'));
    assert.throws(() => settle(t, { 'mentu.yaml': { interceptor: { [key]: value } } }), mistake('settings_wrong_value', undefined, 'mentu.yaml', key));
    assert.throws(() => settle(t, { 'own.yaml': `record: {${key}: ${value}}\nplugins: [jsonl-sink]\n` }, { preset: './own.yaml' }), mistake('settings_wrong_value', undefined, 'own.yaml', key));
  }
});

test('flags beat the profile, it beats mentu.yaml, it beats the preset', (t) => {
  const files = {
    'p.json': { command: 'from-profile', args: ['a'], engine: 'profile-engine', env: { A: 'profile', B: 'profile' }, interceptor: { preset: 'private', bodyLimit: 10, hosts: { 'a.test': '127.0.0.1' }, passthrough: ['p.test'] } },
    'mentu.yaml': { profile: 'p.json', preset: 'audit', engine: 'config-engine', networkMode: 'none', command: 'from-config', args: ['z'], env: { B: 'config', C: 'config' }, jobDir: 'out', interceptor: { bodyLimit: 20, streamLimit: 64, bodyQuota: '1GiB', hosts: { 'a.test': '127.0.0.2', 'b.test': '127.0.0.3' }, passthrough: ['c.test', 'p.test'], dnsServers: ['192.0.2.53'] } },
  };
  const { settings, workspace } = settle(t, files);
  assert.deepEqual(commandOf(settings), { command: 'from-profile', args: ['a'] });
  assert.equal(settings.engine, 'profile-engine');
  assert.equal(settings.networkMode, 'none');
  assert.deepEqual(settings.env, { A: 'profile', B: 'profile', C: 'config' });
  assert.deepEqual(settings.hosts, { 'a.test': '127.0.0.1', 'b.test': '127.0.0.3' });
  assert.deepEqual(settings.passthrough.map(({ host }) => host), ['p.test', 'c.test']);
  assert.deepEqual(settings.record, { bodies: 'none', bodyLimit: 10, streamLimit: 64, bodyQuota: 1024 ** 3 });
  assert.equal(settings.preset.name, 'private');
  assert.equal(settings.jobDir, workspace.path('out'));
  const { provenance } = settings;
  assert.equal(provenance['engine'], 'profile p.json');
  assert.equal(provenance['networkMode'], 'mentu.yaml');
  assert.equal(provenance['env.B'], 'profile p.json');
  assert.equal(provenance['env.C'], 'mentu.yaml');
  assert.equal(provenance['record.bodies'], 'preset private');
  assert.equal(provenance['record.bodyQuota'], 'mentu.yaml');
  assert.deepEqual([settings.dnsServers, provenance['dnsServers']], [['192.0.2.53'], 'mentu.yaml']);

  const flagged = settle(t, files, { engine: 'e', networkMode: 'nat', preset: 'minimal', jobDir: 'else', commandLine: ['curl', '-s'], interceptor: true }).settings;
  assert.deepEqual(commandOf(flagged), { command: 'curl', args: ['-s'] });
  assert.equal(flagged.engine, 'e');
  assert.equal(flagged.networkMode, 'nat');
  assert.equal(flagged.preset.name, 'minimal');
  assert.equal(flagged.interceptor, true);
  assert.equal(flagged.provenance['engine'], 'flag');

  assert.equal(settle(t, { ...files, 'p.json': {} }).settings.preset.name, 'audit', 'of mentu.yaml where the profile names none');
});

test('--allow adds to the allow lists of the user, or makes one; the list of a preset is not widened', (t) => {
  const flags = { allow: ['x.test'], deny: ['y.test'] };
  const lists = (files: Record<string, unknown>, given: SettingFlags = flags) => settle(t, files, given).settings.lists;
  assert.deepEqual(lists({}), [{ source: 'command line', allowed: ['x.test'], denied: ['y.test'] }]);
  assert.deepEqual(lists({}, { deny: ['y.test'] }), [{ source: 'command line', allowed: null, denied: ['y.test'] }]);
  assert.deepEqual(lists({ 'p.json': { sandbox: { allowedDomains: ['a.test'] } } }, { ...flags, profile: 'p.json' }), [
    { source: 'profile p.json', allowed: ['a.test', 'x.test'], denied: [] },
    { source: 'command line', allowed: null, denied: ['y.test'] },
  ]);
  assert.deepEqual(lists({ 'p.json': { sandbox: { allowedDomains: [] } } }, { profile: 'p.json' }), [{ source: 'profile p.json', allowed: [], denied: [] }], 'an empty list allows nothing');
  assert.deepEqual(
    lists({ 'p.json': { sandbox: { deniedDomains: ['d.test'] } }, 'mentu.yaml': 'sandbox: {allowedDomains: [c.test]}\n', 'own.yaml': 'extends: standard\ndomains: {allowed: [o.test], denied: [q.test]}\n' }, { allow: ['x.test'], profile: 'p.json', preset: './own.yaml' }),
    [
      { source: 'profile p.json', allowed: null, denied: ['d.test'] },
      { source: 'mentu.yaml', allowed: ['c.test', 'x.test'], denied: [] },
      { source: 'preset own.yaml', allowed: ['o.test'], denied: ['q.test'] },
    ],
  );
  assert.throws(() => lists({}, { allow: ['http://x'] }), mistake('host_pattern_invalid', '--allow', 'scheme'));
});

test('plugins of mentu.yaml come after those of the preset', (t) => {
  const { settings } = settle(t, { 'mentu.yaml': 'plugins:\n  - cir-sink: false\n  - ./mine.mjs\n', 'mine.mjs': '' });
  assert.deepEqual(settings.plugins.map((plugin) => [plugin.key, plugin.origin]), [['domain-policy', 'preset standard'], ['dns-signals', 'preset standard'], ['jsonl-sink', 'preset standard'], ['./mine.mjs', 'mentu.yaml']]);
});

test('the view for plugins is frozen, and shows no password', (t) => {
  const { settings } = settle(t, { 'p.json': { command: 'x', env: { A: '1' }, sandbox: { allowedDomains: ['a.test'] }, interceptor: { upstreamProxy: 'http://u:secret@proxy.test:1' } } }, { profile: 'p.json' });
  const view = jobView(settings, 'job_1', '/job');
  assert.throws(() => (view.lists[0]!.allowed as string[]).push('evil.test'), TypeError);
  assert.throws(() => ((view.profile['env'] as Record<string, string>)['B'] = '2'), TypeError);
  assert.ok(!JSON.stringify(view).includes('secret'));
  assert.ok(!JSON.stringify(settingRows(settings)).includes('secret'));
  assert.equal(settings.upstreamProxy, 'http://u:secret@proxy.test:1');
});

test('a rule names its profile without the folders of the host', (t) => {
  const workspace = new Workspace(t, { 'p.json': JSON.stringify({ sandbox: { deniedDomains: ['d.test'] } }) });
  const { settings } = settle(t, {}, { profile: workspace.path('p.json') });
  assert.equal(settings.lists[0]!.source, 'profile p.json');
});
