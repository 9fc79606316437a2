/** The compiled package, installed into an empty folder and run by its commands. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CertificateAuthority } from '../../core/capture.ts';
import type { Signal } from '../../plugins/cir-sink/cir.ts';
import { Installation } from './installation.ts';

const ROOT = join(import.meta.dirname, '../..');

let installation: Installation;
before(async () => {
  installation = await Installation.make();
});
after(() => installation?.close());

test('the package holds the compiled output and what it needs, and neither sources nor tests', () => {
  const files = globSync('**/*', { cwd: installation.package, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(installation.package.length + 1));
  const folders = [...new Set(files.map((file) => file.split('/').slice(0, file.startsWith('dist/') || file.startsWith('cli/') ? 2 : 1).join('/')))].sort();
  assert.deepEqual(folders, ['LICENSE', 'README.md', 'cli/bin', 'dist/cli', 'dist/core', 'dist/plugins', 'dist/schemas', 'docs', 'package.json', 'presets']);
  assert.deepEqual(files.filter((file) => (file.endsWith('.ts') && !file.endsWith('.d.ts')) || /\.test\.|(?:^|\/)(?:test|demo)\//.test(file)), []);
  const compiled = files.filter((file) => file.endsWith('.js')).length;
  const sources = globSync('{core,plugins,cli}/**/*.ts', { cwd: ROOT }).filter((file) => !file.startsWith('cli/demo/')).length;
  assert.equal(compiled, sources, 'every source file is compiled');
  for (const program of ['mentu', 'mentu-runtime']) assert.equal(statSync(join(installation.package, 'cli/bin', program)).mode & 0o111, 0o111);
});

test('npx mentu-runtime doctor proves the sandbox', async () => {
  const { code, stdout, stderr } = await installation.run('npx', 'mentu-runtime', 'doctor');
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /self-test[^]*out of reach[^]*Everything holds/);
});

test('npx mentu-runtime exec captures a request, and npx mentu cir query shows it', async (t) => {
  const authority = CertificateAuthority.create('origin');
  const server = createServer({ SNICallback: (name, done) => done(null, authority.contextFor(name)) }, (_request, response) => response.end('from the origin'));
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  writeFileSync(join(installation.folder, 'origin-ca.pem'), authority.certificate);
  const profile = {
    sandbox: { allowedDomains: ['origin.test'] },
    interceptor: { hosts: { 'origin.test': `127.0.0.1:${(server.address() as AddressInfo).port}` }, trustedCAs: ['origin-ca.pem'] },
  };
  writeFileSync(join(installation.folder, 'profile.json'), JSON.stringify(profile));
  const script = 'curl -sS https://origin.test/page && curl -sS -o /dev/null https://elsewhere.test/; exit 7';
  const job = await installation.run('npx', 'mentu-runtime', 'exec', '--interceptor', '--profile', 'profile.json', '--json', '--', 'sh', '-c', script);
  assert.equal(job.code, 7, job.stderr);
  assert.equal(job.stdout, 'from the origin');
  const summary = JSON.parse(job.stderr.split('\n').find((line) => line.startsWith('{'))!) as { flows: number; lookups: number; denied: number; job_id: string };
  assert.equal(summary.flows - summary.lookups, 2);
  assert.equal(summary.denied, 1);

  const table = await installation.run('npx', 'mentu', 'cir', 'query', '--type', 'network_flow');
  assert.equal(table.code, 0, table.stderr);
  assert.match(table.stdout, /GET https:\/\/origin\.test\/page 200/);
  const query = await installation.run('npx', 'mentu', 'cir', 'query', '--job', summary.job_id, '--format', 'json');
  const signals = JSON.parse(query.stdout) as Signal[];
  assert.deepEqual(signals.filter(({ data }) => data['kind'] !== 'dns').map(({ type, data }) => `${type} ${data['host']} ${data['status']}`).sort(), ['network_flow elsewhere.test 403', 'network_flow origin.test 200', 'sandbox_violation elsewhere.test 403']);
});

test('the built-in plugins and presets are found', async () => {
  const plugins = await installation.run('npx', 'mentu-runtime', 'plugins', 'list');
  for (const name of ['cir-sink', 'domain-policy', 'jsonl-sink', 'redact']) assert.match(plugins.stdout, new RegExp(`^${name} +built-in`, 'm'));
  const presets = await installation.run('npx', 'mentu-runtime', 'presets', 'list');
  for (const name of ['audit', 'enforce', 'minimal', 'private', 'standard']) assert.match(presets.stdout, new RegExp(`^${name} `, 'm'));
});

test('a plugin made by plugins new passes its test and runs in a job', async () => {
  const made = await installation.run('npx', 'mentu-runtime', 'plugins', 'new', 'guarded');
  assert.equal(made.code, 0, made.stderr);
  const tested = await installation.run('node', '--test', 'guarded/index.test.ts');
  assert.equal(tested.code, 0, tested.stdout);
  assert.match(tested.stdout, /pass 2/);
  // Pinned, so that the name resolves; nothing listens there, and nothing is to be dialled.
  writeFileSync(join(installation.folder, 'guarded.json'), JSON.stringify({ interceptor: { hosts: { 'blocked.test': '127.0.0.1:1' } } }));
  const job = await installation.run('npx', 'mentu-runtime', 'exec', '--interceptor', '--profile', 'guarded.json', '--preset', './guarded/preset.yaml', '--', 'curl', '-sS', 'http://blocked.test/');
  assert.match(job.stdout, /"rule":"guarded: blocked\.test"/);
});

test('a module in TypeScript gets types from every entry of the package, and they run', async () => {
  const module = `
import { MentuError, defineCapturePlugin, type FlowRecord } from 'mentu-interceptor';
import { Capture, type CaptureOptions } from 'mentu-interceptor/capture';
import { openCir } from 'mentu-interceptor/cir';
import schema from 'mentu-interceptor/schemas/flow.json' with { type: 'json' };

const plugin = defineCapturePlugin({
  name: 'typed',
  options: { type: 'object', properties: { hosts: { type: 'array', items: { type: 'string' }, default: [] } } },
  setup({ options, hooks }) {
    hooks.onRequest.tap('typed', ({ connection }) => (options.hosts.includes(connection.destination.name ?? '') ? { action: 'deny', rule: 'typed' } : undefined));
  },
});
const outcome: FlowRecord['outcome'] = 'denied';
const limit = (given: CaptureOptions): number => given.bodies.limit;
console.log(plugin.name, outcome, limit.length, typeof Capture, typeof openCir, new MentuError('command_missing').code, schema.title);
`;
  writeFileSync(join(installation.folder, 'package.json'), JSON.stringify({ type: 'module', dependencies: {} }));
  writeFileSync(join(installation.folder, 'consumer.ts'), module);
  writeFileSync(join(installation.folder, 'mistaken.ts'), module.replace("const outcome: FlowRecord['outcome'] = 'denied'", "const outcome: FlowRecord['outcome'] = 'refused'"));
  const compile = (file: string) =>
    installation.run(join(ROOT, 'node_modules/.bin/tsc'), '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,esnext.disposable', '--resolveJsonModule', '--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types'), file);
  const compiled = await compile('consumer.ts');
  assert.equal(compiled.stdout, '');
  assert.match((await compile('mistaken.ts')).stdout, /'"refused"' is not assignable/);
  const run = await installation.run('node', 'consumer.ts');
  const { title } = JSON.parse(readFileSync(join(installation.package, 'dist/schemas/flow.json'), 'utf8')) as { title: string };
  assert.equal(run.stdout, `typed denied 1 function function command_missing ${title}\n`, run.stderr);
});
