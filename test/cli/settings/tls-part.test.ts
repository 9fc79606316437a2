/** Certificates in a profile and in `mentu.yaml`: read on the host, tried at once, never shown. */
import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { settleJob, type JobSettings } from '../../../cli/settings/job-settings.ts';
import { jobView } from '../../../cli/settings/job-view.ts';
import { settingRows } from '../../../cli/settings/setting-rows.ts';
import { examineConfig, readSources } from '../../../cli/settings/setting-sources.ts';
import { TrustStore } from '../../../cli/settings/trust-store.ts';
import { ClientCertificateFiles, PASSPHRASE } from '../../stage/client-certificates.ts';
import { Workspace, mistake } from './workspace.ts';

const files = new ClientCertificateFiles();
after(() => files[Symbol.dispose]());
process.env['TLS_PART_PASSPHRASE'] = PASSPHRASE;
process.env['TLS_PART_WRONG'] = 'wrong';

function profile(t: TestContext, interceptor: object, config?: object): { settings: JobSettings; workspace: Workspace } {
  const workspace = new Workspace(t, { 'p.json': JSON.stringify({ interceptor }), ...(config ? { 'mentu.yaml': JSON.stringify(config) } : {}) });
  return { settings: settleJob(readSources({ profile: 'p.json' }, { cwd: workspace.folder, modules: new PluginModules(), home: workspace.path('.home') })), workspace };
}
const at = (name: string): string => files.path(name);
const certificate = (more: object): object => ({ clientCertificates: [{ host: 'api.test', ...more }] });

test('a certificate in PEM, with an encrypted key, and in PKCS#12 is read, and its files are known', (t) => {
  const { settings } = profile(t, {
    clientCertificates: [
      { host: 'a.test', cert: at('agent.pem'), key: at('agent.key') },
      { host: '*.b.test:8443', cert: at('agent.pem'), key: at('agent.enc.key'), passphraseEnv: 'TLS_PART_PASSPHRASE' },
      { host: 'c.test', pkcs12: at('agent.p12'), passphraseEnv: 'TLS_PART_PASSPHRASE' },
    ],
  });
  assert.deepEqual(settings.clientCertificates.map(({ files: read }) => read), [[at('agent.pem'), at('agent.key')], [at('agent.pem'), at('agent.enc.key')], [at('agent.p12')]]);
  for (const { identity } of settings.clientCertificates) assert.equal(identity.sha256, files.sha256('agent.pem'));
});

test('of two entries for one host, however spelled, the profile\'s holds', (t) => {
  const workspace = new Workspace(t, {
    'p.json': JSON.stringify({ interceptor: { passthrough: [{ host: 'Vault.test', allowEch: true }, 'vault.test:8443'] } }),
    'mentu.yaml': 'interceptor: {passthrough: [vault.TEST, other.test]}\n',
  });
  const options = { cwd: workspace.folder, modules: new PluginModules(), home: workspace.path('.home') };
  const found = examineConfig(options)!;
  new TrustStore(options.home).trust(found.realPath, found.vouched.digest, []);
  const settings = settleJob(readSources({ profile: 'p.json' }, options));
  assert.deepEqual(settings.passthrough.map(({ host, allowEch }) => `${host} ${allowEch}`), ['Vault.test true', 'vault.test:8443 false', 'other.test false']);
});

test('what plugins and `config show` see of it is no key', (t) => {
  const { settings } = profile(t, {
    ...certificate({ cert: at('agent.pem'), key: at('agent.enc.key'), passphraseEnv: 'TLS_PART_PASSPHRASE' }),
    clientAuth: [{ host: 'in.test', ca: at('ca.pem'), require: true }],
    passthrough: ['plain.test', { host: '*.ech.test:443', allowEch: true }],
    onPinned: 'passthrough',
  });
  const view = jobView(settings, 'job_1', '/nonexistent');
  const shown = JSON.stringify([view, settingRows(settings)]);
  assert.doesNotMatch(shown, /PRIVATE KEY|opens it/);
  assert.deepEqual(view.passthrough, ['plain.test', '*.ech.test:443']);
  assert.deepEqual(view.passthroughEch, ['*.ech.test:443']);
  assert.equal(view.onPinned, 'passthrough');
  const rows = settingRows(settings).map(({ name, text }) => `${name} ${text}`);
  for (const row of ['clientCertificates[0] api.test: O=Stage, CN=agent 7', `clientAuth[0] in.test: required, of ${at('ca.pem')}`, 'passthrough[1] *.ech.test:443, with ECH', 'onPinned passthrough']) {
    assert.ok(rows.includes(row), rows.join('\n'));
  }
});

for (const [what, interceptor, code, ...words] of [
  ['a host that is asked for its certificate twice', { clientAuth: [{ host: 'a.test' }, { host: 'A.test', require: true }] }, 'settings_duplicate_host', 'interceptor.clientAuth', 'A.test', 'before as a.test'],
  ['a host that passes twice', { passthrough: ['vault.test:443', { host: 'vault.test:443', allowEch: true }] }, 'settings_duplicate_host', 'interceptor.passthrough', 'vault.test:443'],
  ['a key that is not there', certificate({ cert: at('agent.pem'), key: 'none.key' }), 'file_unreadable', 'none.key', 'no such file'],
  ['a passphrase that is not set', certificate({ cert: at('agent.pem'), key: at('agent.enc.key'), passphraseEnv: 'TLS_PART_NOT_SET' }), 'client_certificate_unusable', 'TLS_PART_NOT_SET is not set'],
  ['a wrong passphrase', certificate({ cert: at('agent.pem'), key: at('agent.enc.key'), passphraseEnv: 'TLS_PART_WRONG' }), 'client_certificate_unusable', 'the passphrase does not open the key'],
  ['an encrypted key alone', certificate({ cert: at('agent.pem'), key: at('agent.enc.key') }), 'client_certificate_unusable', 'the key is encrypted', 'passphraseEnv'],
  ["another's key", certificate({ cert: at('agent.pem'), key: at('other.key') }), 'client_certificate_unusable', 'does not belong'],
  ['a certificate without key', certificate({ cert: at('agent.pem') }), 'client_certificate_unusable', 'cert without key'],
  ['neither', certificate({}), 'client_certificate_unusable', 'neither cert and key nor pkcs12'],
  ['both', certificate({ cert: at('agent.pem'), pkcs12: at('agent.p12') }), 'client_certificate_unusable', 'pkcs12 beside cert'],
  ['a wrong host', { clientCertificates: [{ host: 'https://a.test', cert: at('agent.pem'), key: at('agent.key') }] }, 'host_pattern_invalid', 'scheme'],
  ['a typo', certificate({ certificate: at('agent.pem') }), 'settings_unknown_key', 'Known here: host, cert, key, pkcs12, passphraseEnv'],
  ['no host', { clientAuth: [{ ca: at('ca.pem') }] }, 'settings_missing_key', 'clientAuth[0] lacks the key `host`'],
  ['a CA that is none', { clientAuth: [{ host: 'a.test', ca: at('agent.key') }] }, 'trusted_ca_invalid', 'private key'],
  ['a passthrough of another form', { passthrough: [{ host: 'a.test', ech: true }] }, 'settings_unknown_key', 'Known here: host, allowEch'],
  ['a passthrough that is a number', { passthrough: [1] }, 'settings_wrong_value', 'interceptor.passthrough[0] must be a string or an object'],
  ['another word for onPinned', { onPinned: 'pass' }, 'settings_wrong_value', '"fail" or "passthrough"'],
] as [string, object, string, ...string[]][]) {
  test(`refused with its place: ${what}`, (t) => {
    assert.throws(() => profile(t, interceptor), (error) => {
      assert.match(String((error as { place?: { file?: string; line?: number; column?: number } }).place?.column), /^\d+$/);
      return mistake(code, undefined, ...words)(error);
    });
  });
}

test("of mentu.yaml the user's trust covers the files, and a changed key takes it away", (t) => {
  const workspace = new Workspace(t, { 'mentu.yaml': 'interceptor:\n  clientCertificates: [{host: a.test, cert: a.pem, key: a.key}]\n', 'a.pem': files.text('agent.pem'), 'a.key': files.text('agent.key') });
  const options = { cwd: workspace.folder, modules: new PluginModules(), home: workspace.path('.home') };
  const found = examineConfig(options)!;
  assert.ok(found.vouched.hashes.has(workspace.path('a.key')) && found.vouched.hashes.has(workspace.path('a.pem')));
  new TrustStore(options.home).trust(found.realPath, found.vouched.digest, []);
  assert.equal(settleJob(readSources({}, options)).clientCertificates.length, 1);
  workspace.write('a.key', files.text('agent.key') + '\n');
  assert.throws(() => readSources({}, options), mistake('config_untrusted', 'mentu.yaml:2:3', 'has changed since it was trusted'));
});
