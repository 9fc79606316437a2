/** `interceptor.keyLog` and `interceptor.pcap`: who sets them, and what they do not go with. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { settleJob } from '../../../cli/settings/job-settings.ts';
import { jobView } from '../../../cli/settings/job-view.ts';
import { settingRows } from '../../../cli/settings/setting-rows.ts';
import { examineConfig, readSources } from '../../../cli/settings/setting-sources.ts';
import { TrustStore } from '../../../cli/settings/trust-store.ts';
import { mistake, Workspace } from './workspace.ts';

function settle(t: TestContext, files: Record<string, string>, profile?: string) {
  const workspace = new Workspace(t, files);
  const modules = new PluginModules();
  t.after(() => modules.close());
  const options = { cwd: workspace.folder, modules, home: workspace.path('.home') };
  const found = examineConfig(options);
  if (found) new TrustStore(options.home).trust(found.realPath, found.vouched.digest, []);
  return settleJob(readSources({ profile }, options));
}

test('the profile beats mentu.yaml, and both are shown', (t) => {
  const settings = settle(t, { 'p.json': '{"interceptor": {"keyLog": false}}', 'mentu.yaml': 'interceptor: {keyLog: true, pcap: true}\n' }, 'p.json');
  assert.deepEqual(settings.keys, { keyLog: false, pcap: true });
  const rows = settingRows(settings).filter(({ name }) => name === 'keyLog' || name === 'pcap');
  assert.deepEqual(rows.map(({ name, value, origin }) => [name, value, origin]), [['keyLog', false, 'profile p.json'], ['pcap', true, 'mentu.yaml']]);
  const { keyLog, pcap } = jobView(settings, 'job', '/job').profile['interceptor'] as Record<string, unknown>;
  assert.deepEqual({ keyLog, pcap }, settings.keys);
});

for (const [name, setting, place] of [['keyLog', '{"keyLog": true, "preset": "private"}', 'p.json:1:18'], ['pcap', '{"preset": "private", "pcap": true}', 'p.json:1:39']] as const) {
  test(`${name} is refused with a preset that redacts, at its place`, (t) => {
    assert.throws(() => settle(t, { 'p.json': `{"interceptor": ${setting}}` }, 'p.json'), mistake('keylog_with_redact', place, `interceptor.${name}`, 'private.yaml', 'Leave one of them out'));
  });
}

test('it is refused with redact of mentu.yaml too, and taken where that is left out', (t) => {
  const profile = '{"interceptor": {"keyLog": true}}';
  assert.throws(() => settle(t, { 'p.json': profile, 'mentu.yaml': 'plugins:\n  - redact\n' }, 'p.json'), mistake('keylog_with_redact', 'p.json:1:18', 'mentu.yaml:2'));
  assert.deepEqual(settle(t, { 'p.json': profile, 'mentu.yaml': 'preset: private\nplugins:\n  - redact: false\n' }, 'p.json').keys, { keyLog: true, pcap: false });
});

test('anything but true and false is a mistake', (t) => {
  assert.throws(() => settle(t, { 'p.json': '{"interceptor": {"pcap": "yes"}}' }, 'p.json'), mistake('settings_wrong_value', 'p.json:1:26', 'interceptor.pcap'));
});
