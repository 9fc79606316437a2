import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { readJobPart } from '../../../cli/settings/job-part.ts';
import { loadProfile } from '../../../cli/settings/profile.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { mistake, Workspace } from './workspace.ts';

function load(t: TestContext, text: string, files: Record<string, string> = {}) {
  const workspace = new Workspace(t, { ...files, 'p.json': text });
  const sources = new SourceFiles(workspace.folder);
  const profile = loadProfile(sources, workspace.path('p.json'));
  return { workspace, profile, part: readJobPart(profile.value, profile.document, sources) };
}

const certificate = (() => {
  const both = execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', '-', '-out', '-', '-subj', '/CN=profile test', '-days', '1'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const start = both.indexOf('-----BEGIN CERTIFICATE');
  return { key: both.slice(0, start), pem: both.slice(start) };
})();

test('the smallest profile is a sandbox object alone', (t) => {
  const { part } = load(t, '{"sandbox": {"allowedDomains": ["api.example.com"]}}');
  assert.deepEqual(part.allowedDomains, ['api.example.com']);
  assert.equal(part.deniedDomains, undefined);
  assert.equal(part.command, undefined);
  assert.deepEqual(part.mounts, []);
});

test('a whole profile is read, with paths relative to it', (t) => {
  const { part, workspace } = load(
    t,
    JSON.stringify({
      $schema: './profile.json',
      command: 'node',
      args: ['agent.js'],
      env: { MODE: 'test' },
      mounts: [{ source: 'src', destination: '/work/', readOnly: true }, { source: '.', destination: '/all' }],
      engine: 'namespace',
      networkMode: 'none',
      restartPolicy: 'no',
      sandbox: { allowedDomains: [], deniedDomains: ['*.evil.test', 'x.test:8080'] },
      interceptor: {
        preset: 'audit',
        hosts: { 'api.internal': '10.0.0.5:8443', '10.1.1.1': 'fd00::5', 'six.internal': '[fd00::5]:443' },
        trustedCAs: ['ca.pem'],
        bodyLimit: '64KiB',
        bodyQuota: 1000,
        passthrough: ['*.bank.test:443'],
        dnsServers: ['192.0.2.53', '[2001:db8::53]:5353'],
        upstreamProxy: 'http://user:secret@proxy.test:3128',
      },
    }),
    { 'src/x': '', 'ca.pem': `some text\n${certificate.pem}` },
  );
  assert.deepEqual(part.mounts, [
    { source: workspace.path('src'), destination: '/work', readOnly: true },
    { source: workspace.folder, destination: '/all', readOnly: false },
  ]);
  assert.equal(part.bodyLimit, 65_536);
  assert.equal(part.bodyQuota, 1000);
  assert.deepEqual(part.dnsServers, ['192.0.2.53', '[2001:db8::53]:5353']);
  assert.deepEqual(part.allowedDomains, []);
  assert.equal(part.trustedCAs[0]?.pem.trim(), certificate.pem.trim());
  assert.deepEqual(Object.keys(part.hosts), ['api.internal', '10.1.1.1', 'six.internal']);
});

const bad: [name: string, text: string, code: string, place: string, ...words: string[]][] = [
  ['a typo in a key', '{\n  "sandbox": {\n    "alowedDomains": []\n  }\n}', 'settings_unknown_key', 'p.json:3:5', 'Unknown key `alowedDomains` in sandbox, did you mean `allowedDomains`?', 'Known here: allowedDomains, deniedDomains'],
  ['an unknown key at the top', '{\n  "sandbx": {}\n}', 'settings_unknown_key', 'p.json:2:3', 'did you mean `sandbox`?'],
  ['a key at the wrong depth', '{"allowedDomains": []}', 'settings_unknown_key', 'p.json:1:2', 'did you mean `sandbox.allowedDomains`?'],
  ['a key that is like no other', '{"zzzzzzzz": 1}', 'settings_unknown_key', 'p.json:1:2', 'Unknown key `zzzzzzzz`.', 'Known here: command'],
  ['a prototype key', '{"__proto__": {"command": "x"}}', 'settings_unknown_key', 'p.json:1:2', '__proto__'],
  ['a wrong type, deep', '{"mounts": [\n  {"source": ".", "destination": "/a", "readOnly": "yes"}\n]}', 'settings_wrong_value', 'p.json:2:52', 'mounts[0].readOnly must be true or false, not "yes"'],
  ['a number for a variable', '{"env": {"PORT": 80}}', 'settings_wrong_value', 'p.json:1:18', 'env.PORT must be a string, not 80'],
  ['a wrong word', '{"networkMode": "natt"}', 'settings_wrong_value', 'p.json:1:17', 'networkMode must be "none" or "nat", not "natt"', 'Did you mean "nat"?'],
  ['a list for an object', '{"sandbox": []}', 'settings_wrong_value', 'p.json:1:13', 'sandbox must be an object, not []'],
  ['a missing key', '{"mounts": [{"source": "."}]}', 'settings_missing_key', 'p.json:1:13', 'mounts[0] lacks the key `destination`'],
  ['a typo that leaves a key missing', '{"mounts": [{"source": ".", "destnation": "/x"}]}', 'settings_unknown_key', 'p.json:1:29', 'did you mean `destination`?'],
  ['no object', '"hello"', 'settings_wrong_value', 'p.json:1:1', 'The content must be an object'],
  ['a duplicate key', '{"sandbox": {},\n "command": "a",\n "sandbox": {}}', 'settings_duplicate_key', 'p.json:3:2', '`sandbox` is given twice'],
  ['a duplicate key, deep', '{"sandbox": {"deniedDomains": [],\n "deniedDomains": []}}', 'settings_duplicate_key', 'p.json:2:2', '`deniedDomains`'],
  ['a trailing comma', '{\n  "command": "x",\n}', 'settings_syntax', 'p.json:3:1', 'not valid JSON'],
  ['a missing comma', '{\n  "command": "x"\n  "args": []\n}', 'settings_syntax', 'p.json:3:3', 'not valid JSON'],
  ['a word that is no value', '{\n  "command": tru\n}', 'settings_syntax', 'p.json:2:17', 'not valid JSON'],
  ['YAML where JSON is asked', 'command: x\n', 'settings_syntax', 'p.json:1:1', 'not valid JSON'],
  ['a comment', '{\n  // no\n  "command": "x"}', 'settings_syntax', 'p.json:2:3', 'not valid JSON'],
  ['an empty file', '', 'settings_syntax', 'p.json:1:1', 'not valid JSON'],
  ['a file that ends too soon', '{"command": "x"', 'settings_syntax', 'p.json:1:16', 'not valid JSON'],
  ['a restart policy', '{\n  "restartPolicy": "always"}', 'restart_policy_unsupported', 'p.json:2:20', '"always"'],
  ['a bad pattern', '{"sandbox": {"deniedDomains": [\n  "ok.test",\n  "https://bad.test/"]}}', 'host_pattern_invalid', 'p.json:3:3', 'scheme'],
  ['a bad passthrough', '{"interceptor": {"passthrough": ["a.*.test"]}}', 'host_pattern_invalid', 'p.json:1:34', 'a.*.test'],
  ['a pin to a name', '{"interceptor": {"hosts": {\n "ok.test": "127.0.0.1",\n "a.test": "b.test"}}}', 'host_pin_invalid', 'p.json:3:2', 'b.test'],
  ['a pin with a bad port', '{"interceptor": {"hosts": {"a.test": "127.0.0.1:99999"}}}', 'host_pin_invalid', 'p.json:1:28', '99999'],
  ['two pins of one name', '{"interceptor": {"hosts": {"a.test": "127.0.0.1",\n "A.TEST.": "127.0.0.2"}}}', 'host_pin_invalid', 'p.json:1:18', 'twice'],
  ['a body limit in words', '{"interceptor": {"bodyLimit": "much"}}', 'settings_wrong_value', 'p.json:1:31', 'interceptor.bodyLimit must be a number of bytes or a size'],
  ['a negative body limit', '{"interceptor": {"bodyLimit": -1}}', 'settings_wrong_value', 'p.json:1:31', 'at least 0'],
  ['a fraction of a byte', '{"interceptor": {"bodyLimit": 1.5}}', 'settings_wrong_value', 'p.json:1:31', 'interceptor.bodyLimit'],
  ['a DNS server by name', '{"interceptor": {"dnsServers": ["192.0.2.53", "dns.test"]}}', 'name_server_invalid', 'p.json:1:47', 'dns.test', '127.0.0.1:5353'],
  ['a proxy without a scheme', '{"interceptor": {"upstreamProxy": "proxy.test:3128"}}', 'upstream_proxy_invalid', 'p.json:1:35', 'scheme'],
  ['a proxy of another kind', '{"interceptor": {"upstreamProxy": "ftp://proxy.test"}}', 'upstream_proxy_invalid', 'p.json:1:35', 'ftp'],
  ['a mount source that is not there', '{"mounts": [{"source": "~/data", "destination": "/d"}]}', 'mount_source_missing', 'p.json:1:24', '~/data', '~ is not expanded'],
  ['a mount source that is a device', '{"mounts": [{"source": "/dev/null", "destination": "/d"}]}', 'mount_source_missing', 'p.json:1:24', 'neither a folder nor a regular file'],
  ['a relative mount destination', '{"mounts": [{"source": ".", "destination": "d"}]}', 'mount_destination_invalid', 'p.json:1:44', 'not absolute'],
  ['a mount over the root', '{"mounts": [{"source": ".", "destination": "//"}]}', 'mount_destination_invalid', 'p.json:1:44', 'root'],
  ['two mounts at one place', '{"mounts": [{"source": ".", "destination": "/d"},\n{"source": ".", "destination": "/d/"}]}', 'mount_destination_invalid', 'p.json:2:32', 'two mounts'],
  ['a mount that climbs', '{"mounts": [{"source": ".", "destination": "/a/../../b"}]}', 'mount_destination_invalid', 'p.json:1:44', '..'],
  ['a CA file that is not there', '{"interceptor": {"trustedCAs": [\n"none.pem"]}}', 'file_unreadable', 'p.json:2:1', 'none.pem', 'no such file'],
  ['a CA file that is not PEM', '{"interceptor": {"trustedCAs": ["p.json"]}}', 'trusted_ca_invalid', 'p.json:1:33', 'not PEM'],
  ['a variable with an impossible name', '{"env": {"A=B": "x"}}', 'settings_wrong_value', 'p.json:1:10', 'name of a variable'],
];

for (const [name, text, code, place, ...words] of bad) {
  test(`refused with its place: ${name}`, (t) => {
    assert.throws(() => load(t, text), mistake(code, place, ...words));
  });
}

test('a private key and a broken certificate are no CA', (t) => {
  const text = '{"interceptor": {"trustedCAs": ["ca.pem"]}}';
  assert.throws(() => load(t, text, { 'ca.pem': certificate.key }), mistake('trusted_ca_invalid', 'p.json:1:33', 'private key'));
  const broken = `${certificate.pem}${certificate.pem.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA')}`;
  assert.throws(() => load(t, text, { 'ca.pem': broken }), mistake('trusted_ca_invalid', 'p.json:1:33', 'certificate 2 does not parse'));
});

test('what is no text file is refused at once: a missing one, a folder, a FIFO, bytes', (t) => {
  const workspace = new Workspace(t, { 'folder/x': '' });
  const read = (name: string) => () => loadProfile(new SourceFiles(workspace.folder), name);
  assert.throws(read('none.json'), mistake('file_unreadable', 'none.json', 'no such file'));
  assert.throws(read('folder'), mistake('file_unreadable', 'folder', 'is a folder'));
  execFileSync('mkfifo', [workspace.path('fifo')]);
  assert.throws(read('fifo'), mistake('file_unreadable', 'fifo', 'not a regular file'));
  execFileSync('sh', ['-c', `printf '\\377\\376{}' > ${workspace.path('bytes')}`]);
  assert.throws(read('bytes'), mistake('file_unreadable', 'bytes', 'UTF-8'));
});

test('JSON that a YAML parser reads otherwise keeps its JSON meaning', (t) => {
  const { part } = load(t, '{\n\t"command": "a\\/b \\ud83d\\ude00",\n\t"args": ["yes", "0x10", "~", "# no comment"],\r\n\t"env":{"A":"1"}}\n');
  assert.equal(part.command, 'a/b 😀');
  assert.deepEqual(part.args, ['yes', '0x10', '~', '# no comment']);
});
