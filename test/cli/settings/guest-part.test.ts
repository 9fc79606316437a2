import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { DURATION_FORM, durationText, parseDuration } from '../../../cli/settings/duration.ts';
import { settleJob } from '../../../cli/settings/job-settings.ts';
import { jobView } from '../../../cli/settings/job-view.ts';
import { readJobPart } from '../../../cli/settings/job-part.ts';
import { loadProfile } from '../../../cli/settings/profile.ts';
import { settingFlagsOf } from '../../../cli/settings/setting-flags.ts';
import { settingRows } from '../../../cli/settings/setting-rows.ts';
import { examineConfig, readSources } from '../../../cli/settings/setting-sources.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { TrustStore } from '../../../cli/settings/trust-store.ts';
import { mistake, Workspace } from './workspace.ts';

function load(t: TestContext, text: string, files: Record<string, string> = {}) {
  const workspace = new Workspace(t, { ...files, 'p.json': text });
  const sources = new SourceFiles(workspace.folder);
  const profile = loadProfile(sources, workspace.path('p.json'));
  return { workspace, part: readJobPart(profile.value, profile.document, sources) };
}

/** As the command line gives them. */
function flags(given: Record<string, unknown> = {}) {
  return settingFlagsOf({ profile: undefined, preset: undefined, allow: [], deny: [], 'job-dir': undefined, ...given } as Parameters<typeof settingFlagsOf>[0]);
}

test('times are read in every unit, and nothing else is', () => {
  const times: [number | string, number | undefined][] = [
    [90, 90_000], [0.5, 500], [0, 0], ['90', 90_000], ['90s', 90_000], ['5m', 300_000], ['1h30m', 5_400_000], ['1.5h', 5_400_000], ['1d', 86_400_000], ['500ms', 500], [' 2s ', 2000], ['1m0.5s', 60_500], ['0.1ms', 1],
    ['', undefined], ['s', undefined], ['-1', undefined], [-1, undefined], ['1 m', undefined], ['30m1h', undefined], ['1m1m', undefined], ['1H', undefined], ['1e3', undefined], ['1mm', undefined], ['5min', undefined], ['25d', undefined], [NaN, undefined], [Infinity, undefined],
  ];
  for (const [text, time] of times) assert.equal(parseDuration(text), time, `${text} as ${DURATION_FORM}`);
  for (const time of [1, 999, 1000, 60_500, 5_400_000, 90_061_001]) assert.equal(parseDuration(durationText(time)), time);
  assert.equal(durationText(5_400_000), '1h30m');
});

test('limits, end, ports and root of the guest are read, with paths relative to the profile', (t) => {
  const text = JSON.stringify({ cpus: 1.5, memoryMiB: 512, timeout: '1h30m', restartPolicy: 'on-failure:3', ports: ['8080:80', 3000, '9000'], rootfs: 'images/root.tar', kernel: 'vmlinuz' });
  const { part, workspace } = load(t, text, { 'images/root.tar': '', vmlinuz: '' });
  assert.equal(part.cpus, 1.5);
  assert.equal(part.memoryMiB, 512);
  assert.equal(part.timeout, 5_400_000);
  assert.deepEqual(part.restartPolicy, { text: 'on-failure:3', restarts: 3 });
  assert.deepEqual(part.ports, [{ host: 8080, guest: 80 }, { host: 3000, guest: 3000 }, { host: 9000, guest: 9000 }]);
  assert.equal(part.rootfs, workspace.path('images/root.tar'));
  assert.equal(part.kernel, workspace.path('vmlinuz'));
  assert.equal(load(t, '{"restartPolicy": "on-failure"}').part.restartPolicy?.restarts, Infinity);
  assert.equal(load(t, '{"rootfs": "."}').part.rootfs?.startsWith('/'), true);
});

const bad: [name: string, text: string, code: string, place: string, ...words: string[]][] = [
  ['no processor', '{"cpus": 0}', 'settings_wrong_value', 'p.json:1:10', 'cpus must be at least 0.01, not 0'],
  ['processors in words', '{"cpus": "two"}', 'settings_wrong_value', 'p.json:1:10', 'a number'],
  ['too little memory', '{"memoryMiB": 8}', 'settings_wrong_value', 'p.json:1:15', 'at least 16'],
  ['a fraction of a MiB', '{"memoryMiB": 100.5}', 'settings_wrong_value', 'p.json:1:15', 'a whole number'],
  ['a time in words', '{\n  "timeout": "soon"}', 'settings_wrong_value', 'p.json:2:14', 'timeout must be a number of seconds or a time such as "90s"', 'Units'],
  ['a negative time', '{"timeout": -1}', 'settings_wrong_value', 'p.json:1:13', 'at least 0'],
  ['a restart policy of Docker that is not ours', '{\n  "restartPolicy": "unless-stopped"}', 'restart_policy_unsupported', 'p.json:2:20', '"unless-stopped"', 'on-failure:N'],
  ['no restart at all, in numbers', '{"restartPolicy": "on-failure:0"}', 'restart_policy_unsupported', 'p.json:1:19', 'on-failure:0'],
  ['a port 0', '{"ports": [\n"0:80"]}', 'port_forward_invalid', 'p.json:2:1', '1 to 65535', '8080:80'],
  ['a guest port 0', '{"ports": ["80:0"]}', 'port_forward_invalid', 'p.json:1:12', '1 to 65535'],
  ['a port that is too high', '{"ports": ["65536"]}', 'port_forward_invalid', 'p.json:1:12', '65536'],
  ['an address before the port', '{"ports": ["0.0.0.0:8080:80"]}', 'port_forward_invalid', 'p.json:1:12', 'HOST:GUEST'],
  ['a protocol after the port', '{"ports": ["53:53/udp"]}', 'port_forward_invalid', 'p.json:1:12', '53:53/udp'],
  ['a port of the host that is taken twice', '{"ports": ["8080:80",\n"8080:81"]}', 'port_forward_invalid', 'p.json:2:1', 'port 8080 of the host a second time'],
  ['one port for a list', '{"ports": "8080:80"}', 'settings_wrong_value', 'p.json:1:11', 'a list'],
  ['a root that is not there', '{"rootfs": "none"}', 'file_unreadable', 'p.json:1:12', 'rootfs none', 'no such file'],
  ['a root that is a device', '{"rootfs": "/dev/null"}', 'file_unreadable', 'p.json:1:12', 'neither a folder nor an archive'],
  ['a kernel that is a folder', '{"kernel": "."}', 'file_unreadable', 'p.json:1:12', 'not a regular file'],
];

for (const [name, text, code, place, ...words] of bad) {
  test(`refused with its place: ${name}`, (t) => {
    assert.throws(() => load(t, text), mistake(code, place, ...words));
  });
}

test('flags say the same, as Docker spells them, and their mistakes name them', () => {
  const of = (given: Record<string, unknown>) => flags(given);
  assert.equal(of({ cpus: '.5' }).cpus, 0.5);
  for (const [text, mebibytes] of [['512', 512], ['512m', 512], ['2g', 2048], ['1GiB', 1024], ['1.5G', 1536], ['65536k', 64], ['512MB', 488]] as const) assert.equal(of({ memory: text }).memoryMiB, mebibytes, text);
  assert.equal(of({ timeout: '0' }).timeout, 0);
  assert.deepEqual(of({ restart: 'on-failure:2' }).restartPolicy, { text: 'on-failure:2', restarts: 2 });
  assert.deepEqual(of({ port: ['8080:80', '3000'] }).ports, [{ host: 8080, guest: 80 }, { host: 3000, guest: 3000 }]);
  assert.throws(() => of({ cpus: '0' }), mistake('bad_flag', undefined, '--cpus takes a number of at least 0.01, and "0" was given'));
  assert.throws(() => of({ memory: '15' }), mistake('bad_flag', undefined, '--memory takes a size of at least 16 MiB'));
  assert.throws(() => of({ memory: 'lots' }), mistake('bad_flag', undefined, '"lots"'));
  assert.throws(() => of({ timeout: 'soon' }), mistake('bad_flag', undefined, '--timeout takes a number of seconds'));
  assert.throws(() => of({ restart: 'always' }), mistake('restart_policy_unsupported', '--restart', '"always"'));
  assert.throws(() => of({ port: ['80:80', '80:81'] }), mistake('port_forward_invalid', '--port', 'second time'));
  assert.throws(() => of({ rootfs: '/none/at/all' }), mistake('bad_flag', undefined, '/none/at/all'));
});

test('flags beat the profile, it beats mentu.yaml; ports add up, by the port of the host', (t) => {
  const workspace = new Workspace(t, {
    'p.json': JSON.stringify({ cpus: 2, timeout: '10s', ports: ['8080:80', '8081:81'] }),
    'mentu.yaml': 'profile: p.json\ncpus: 4\nmemoryMiB: 64\ntimeout: 20\nrestartPolicy: on-failure\nports: [8080:9, 9090:90]\nrootfs: .\n',
  });
  const modules = new PluginModules();
  t.after(() => modules.close());
  const options = { cwd: workspace.folder, modules, home: workspace.path('.home') };
  assert.throws(() => readSources(flags(), options), mistake('config_untrusted', undefined, 'opens ports of the host'));
  const trust = () => {
    const found = examineConfig(options)!;
    new TrustStore(options.home).trust(found.realPath, found.vouched.digest, []);
  };
  trust();
  const settings = settleJob(readSources(flags({ timeout: '0', port: ['8081:1'] }), options));
  assert.deepEqual(settings.limits, { cpus: 2, memoryMiB: 64 });
  assert.equal(settings.timeout, null, '0 takes the limit away');
  assert.deepEqual(settings.ports, [{ host: 8081, guest: 1 }, { host: 8080, guest: 80 }, { host: 9090, guest: 90 }]);
  assert.equal(settings.rootfs, workspace.folder);
  const { provenance } = settings;
  assert.deepEqual(
    [provenance['cpus'], provenance['memoryMiB'], provenance['timeout'], provenance['restartPolicy'], provenance['kernel'], provenance['ports[0]'], provenance['ports[1]'], provenance['ports[2]']],
    ['profile p.json', 'mentu.yaml', 'flag', 'mentu.yaml', 'default', 'flag', 'profile p.json', 'mentu.yaml'],
  );
  const rows = settingRows(settleJob(readSources(flags(), options)));
  const text = (name: string) => rows.find((row) => row.name === name)?.text;
  assert.deepEqual([text('cpus'), text('memoryMiB'), text('timeout'), text('restartPolicy'), text('ports[1]'), text('kernel')], ['2', '64', '10s', 'on-failure', '8081:81', "(the engine's own)"]);
  const view = jobView(settings, 'job_1', '/job').profile;
  assert.deepEqual([view['cpus'], view['memoryMiB'], view['timeout'], view['restartPolicy'], view['ports']], [2, 64, null, 'on-failure', ['8081:1', '8080:80', '9090:90']]);

  workspace.write('mentu.yaml', 'rootfs: link\n');
  symlinkSync('/usr', workspace.path('link'));
  trust();
  assert.equal(settleJob(readSources(flags(), options)).rootfs, workspace.path('link'));
  workspace.write('mentu.yaml', 'timeout: 5s\ncpus: 1\nmemoryMiB: 64\nrestartPolicy: on-failure:1\n');
  assert.equal(settleJob(readSources(flags(), options)).timeout, 5000, 'limits need no trust');
});
