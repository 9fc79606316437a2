import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { importPlugins, setUpPlugins } from '../../../cli/plugins/loader.ts';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { loadPreset } from '../../../cli/settings/preset.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { CaptureHooks, PluginTrial, type JobView } from '../../../core/index.ts';
import { mistake, Workspace } from '../settings/workspace.ts';

const modules = new PluginModules();
after(() => modules.close());

const job: JobView = { id: 'job_test', directory: '/nonexistent', preset: 'p', lists: [], passthrough: [], profile: {} };

async function importAll(t: TestContext, files: Record<string, string>, reference = './p.yaml') {
  const workspace = new Workspace(t, files);
  const preset = loadPreset(new SourceFiles(workspace.folder), reference, workspace.folder);
  return { workspace, plugins: await importPlugins(preset.plugins, modules, workspace.folder) };
}

async function setUpAll(t: TestContext, files: Record<string, string>) {
  const { plugins, workspace } = await importAll(t, files);
  const warnings: string[] = [];
  const hooks = new CaptureHooks((plugin, hook, error) => warnings.push(`${plugin} ${hook} ${String(error)}`));
  await setUpPlugins(plugins, { hooks, job, warn: (plugin, message) => warnings.push(`${plugin}: ${message}`) });
  return { workspace, hooks, warnings };
}

const plugin = (body: string, head = '') => `import { defineCapturePlugin } from 'mentu-interceptor';
export default defineCapturePlugin({
  name: 'mine',
  ${head}
  ${body}
});
`;

const MINIMAL = plugin('setup() {},');

test('a plugin in TypeScript outside the repository gets the very core that runs it, its options with defaults, and the job', async (t) => {
  const { warnings } = await setUpAll(t, {
    'p.yaml': 'plugins:\n  - ./mine:\n      hosts: [a.test]\n',
    'mine/index.ts': `import { defineCapturePlugin, CaptureHooks, MentuError } from 'mentu-interceptor';
(globalThis as any).coreOfMine = { CaptureHooks, MentuError };
export default defineCapturePlugin({
  name: 'mine',
  options: { type: 'object', properties: {
    hosts: { type: 'array', items: { type: 'string' } },
    depth: { type: 'integer', default: 3 },
    nested: { type: 'object', properties: { a: { type: 'string', default: 'x' } }, default: {} },
  } },
  setup({ options, job, warn }) { warn(JSON.stringify([options, job.id])); },
});
`,
  });
  assert.deepEqual(warnings, ['mine: [{"hosts":["a.test"],"depth":3,"nested":{}},"job_test"]']);
  assert.equal((globalThis as unknown as { coreOfMine: { CaptureHooks: unknown } }).coreOfMine.CaptureHooks, CaptureHooks);
});

test('plugins are found by file, by folder with a main, and by package from the folder of the YAML', async (t) => {
  const named = (name: string, how = 'import') => (how === 'import' ? plugin('setup() {},').replace("'mine'", `'${name}'`) : `module.exports = { name: '${name}', setup() {} };`);
  const { plugins } = await importAll(t, {
    'sub/p.yaml': 'plugins:\n  - ../one.ts\n  - ./two\n  - three\n  - "@scope/four"\n  - five\n',
    'one.ts': named('one'),
    'sub/two/package.json': '{"main": "./lib/entry.mjs"}',
    'sub/two/lib/entry.mjs': named('two'),
    'sub/node_modules/three/package.json': '{"name": "three", "type": "module", "exports": {"import": "./three.js"}}',
    'sub/node_modules/three/three.js': named('three'),
    'node_modules/@scope/four/package.json': '{"name": "@scope/four", "main": "main.js"}',
    'node_modules/@scope/four/main.js': named('four', 'require'),
    'node_modules/five/package.json': '{"name": "five", "type": "module", "main": "index.js"}',
    'node_modules/five/index.js': named('five'),
  }, './sub/p.yaml');
  assert.deepEqual(plugins.map(({ name, kind }) => [name, kind]), [['one', 'path'], ['two', 'path'], ['three', 'package'], ['four', 'package'], ['five', 'package']]);
});

test('a built-in plugin is loaded by its name', async (t) => {
  const { plugins } = await importAll(t, { 'p.yaml': 'plugins: [jsonl-sink]\n' });
  assert.equal(plugins[0]?.kind, 'built-in');
  assert.equal(plugins[0]?.name, 'jsonl-sink');
});

test('taps run in the order of the list', async (t) => {
  const deciding = (name: string) => `export default { name: '${name}', setup({ hooks }) { hooks.onRequest.tap('${name}', () => ({ action: 'deny', rule: '${name}' })); } };`;
  const { hooks } = await setUpAll(t, { 'p.yaml': 'plugins: [./b.mjs, ./a.mjs]\n', 'a.mjs': deciding('a'), 'b.mjs': deciding('b') });
  const verdict = await new Promise((done) => hooks.request({} as never, done));
  assert.deepEqual(verdict, { action: 'deny', rule: 'b', by: 'b' });
});

const YAML = 'description: x\nplugins:\n  - ./mine.ts\n';
const badImports: [name: string, files: Record<string, string>, code: string, place: string, ...words: string[]][] = [
  ['a mistyped built-in', { 'p.yaml': 'plugins:\n  - jsonl-sync\n' }, 'plugin_not_found', 'p.yaml:2:5', 'neither built in nor an installed package', 'did you mean `jsonl-sink`?'],
  ['a path that leads nowhere', { 'p.yaml': YAML }, 'plugin_not_found', 'p.yaml:3:5', 'mine.ts'],
  ['a folder without a module', { 'p.yaml': 'plugins:\n  - ./mine\n', 'mine/readme': '' }, 'plugin_not_found', 'p.yaml:2:5', 'holds no index.ts'],
  ['a module with an error of syntax', { 'p.yaml': YAML, 'mine.ts': 'export default {\n  name: "mine"\n  setup() {}\n};\n' }, 'plugin_import_failed', 'p.yaml:3:5', 'mine.ts:3'],
  ['a module in JavaScript with an error of syntax', { 'p.yaml': 'plugins:\n  - ./mine.mjs\n', 'mine.mjs': 'const a = ;\n' }, 'plugin_import_failed', 'p.yaml:2:5', 'mine.mjs:1'],
  ['TypeScript that is more than types', { 'p.yaml': YAML, 'mine.ts': 'enum A { B }\nexport default {};\n' }, 'plugin_import_failed', 'p.yaml:3:5', 'enum'],
  ['a module that throws', { 'p.yaml': YAML, 'mine.ts': '\nthrow new Error("no luck");\n' }, 'plugin_import_failed', 'p.yaml:3:5', 'no luck', 'mine.ts:2:7'],
  ['a module that imports what is not there', { 'p.yaml': YAML, 'mine.ts': 'import "./none.ts";\n' }, 'plugin_import_failed', 'p.yaml:3:5', 'none.ts'],
  ['a name that core does not export', { 'p.yaml': YAML, 'mine.ts': 'import { defineCapturePlugn } from "mentu-interceptor";\nexport default defineCapturePlugn({});\n' }, 'plugin_import_failed', 'p.yaml:3:5', 'defineCapturePlugn'],
  ['no default export', { 'p.yaml': YAML, 'mine.ts': 'export const plugin = {};\n' }, 'plugin_invalid', 'p.yaml:3:5', 'no default export'],
  ['a name with capitals', { 'p.yaml': YAML, 'mine.ts': MINIMAL.replace("'mine'", "'Mine'") }, 'plugin_invalid', 'p.yaml:3:5', '"Mine"'],
  ['no name', { 'p.yaml': YAML, 'mine.ts': 'export default { setup() {} };' }, 'plugin_invalid', 'p.yaml:3:5', 'absent'],
  ['no setup', { 'p.yaml': YAML, 'mine.ts': 'export default { name: "mine" };' }, 'plugin_invalid', 'p.yaml:3:5', '`setup`'],
  ['the name of a built-in plugin', { 'p.yaml': YAML, 'mine.ts': MINIMAL.replace("'mine'", "'jsonl-sink'") }, 'plugin_invalid', 'p.yaml:3:5', 'is taken'],
  ['the name of the core', { 'p.yaml': YAML, 'mine.ts': MINIMAL.replace("'mine'", "'core'") }, 'plugin_invalid', 'p.yaml:3:5', 'is taken'],
  ['two plugins of one name', { 'p.yaml': 'plugins:\n  - ./mine.ts\n  - ./other.ts\n', 'mine.ts': MINIMAL, 'other.ts': MINIMAL }, 'plugin_duplicate', 'p.yaml:3:5', './mine.ts (p.yaml:2)', './other.ts (p.yaml:3)'],
  ['options for a plugin without any', { 'p.yaml': 'plugins:\n  - ./mine.ts:\n      hosts: []\n', 'mine.ts': MINIMAL }, 'settings_unknown_key', 'p.yaml:3:7', 'Unknown key `hosts`', 'There is none here'],
];

for (const [name, files, code, place, ...words] of badImports) {
  test(`refused at its place in the YAML: ${name}`, async (t) => {
    await assert.rejects(importAll(t, files), mistake(code, place, ...words));
  });
}

const SCHEMA = `options: { type: 'object', required: ['hosts'], properties: {
  hosts: { type: 'array', items: { type: 'string' } }, level: { enum: ['low', 'high'] },
  rules: { type: 'array', items: { type: 'object', properties: { match: { type: 'string' } } } },
  either: { anyOf: [{ type: 'string' }, { type: 'object', properties: { only: { type: 'boolean' } }, additionalProperties: false }] },
} },`;
const badOptions: [name: string, options: string, code: string, place: string, ...words: string[]][] = [
  ['a typo', 'hsts: [a]', 'settings_unknown_key', 'p.yaml:3:7', 'Unknown key `hsts` in plugins[0]["./mine.ts"], did you mean `hosts`?'],
  ['a wrong type', 'hosts: a.test', 'settings_wrong_value', 'p.yaml:3:14', 'must be a list, not "a.test"'],
  ['a wrong word', 'hosts: []\n      level: hig', 'settings_wrong_value', 'p.yaml:4:14', '"low" or "high"', 'Did you mean "high"?'],
  ['a typo deep inside', 'hosts: []\n      rules:\n        - match: a\n        - mtch: b', 'settings_unknown_key', 'p.yaml:6:11', 'rules[1], did you mean `match`?'],
  ['a missing option', 'level: low', 'settings_missing_key', 'p.yaml:3:7', 'lacks the key `hosts`'],
  ['none of the alternatives', 'hosts: []\n      either: 7', 'settings_wrong_value', 'p.yaml:4:15', 'a string or an object, not 7'],
  ['an alternative with a mistake', 'hosts: []\n      either: {only: 7}', 'settings_wrong_value', 'p.yaml:4:22', 'either.only must be true or false, not 7'],
];

for (const [name, options, code, place, ...words] of badOptions) {
  test(`refused at its place in the options: ${name}`, async (t) => {
    const files = { 'p.yaml': `plugins:\n  - ./mine.ts:\n      ${options}\n`, 'mine.ts': plugin('setup() {},', SCHEMA) };
    await assert.rejects(importAll(t, files), mistake(code, place, ...words));
  });
}

test('a required option is missed where none are given', async (t) => {
  await assert.rejects(importAll(t, { 'p.yaml': YAML, 'mine.ts': plugin('setup() {},', SCHEMA) }), mistake('settings_missing_key', 'p.yaml:3:5', '`hosts`'));
});

test('an unknown hook is refused with the place of the YAML and of the tap', async (t) => {
  const files = { 'p.yaml': YAML, 'mine.ts': plugin("setup({ hooks }) {\n    (hooks as any).onReqest.tap('mine', () => {});\n  },") };
  await assert.rejects(setUpAll(t, files), mistake('unknown_hook', 'p.yaml:3:5', 'mine.ts:6:20', 'onReqest', 'Known hooks: onStart, onConnect, onRequest'));
  const stage = { 'p.yaml': YAML, 'mine.ts': plugin("setup({ hooks }) {\n    (hooks.onFlowComplete as any).freeze.tap('mine', () => {});\n  },") };
  await assert.rejects(setUpAll(t, stage), mistake('unknown_hook', 'p.yaml:3:5', 'mine.ts:6:35', 'onFlowComplete.freeze'));
});

test('built-in plugins check their options, and what the job gives them', async (t) => {
  await assert.rejects(importAll(t, { 'p.yaml': 'extends: standard\nplugins:\n  - domain-policy:\n      mode: audti\n' }), mistake('settings_wrong_value', 'p.yaml:4:13', 'Did you mean "audit"?'));
  await assert.rejects(setUpAll(t, { 'p.yaml': 'plugins:\n  - domain-policy: {mode: enforce}\n' }), mistake('allow_list_missing', 'p.yaml:2:5', '--allow'));
  await assert.rejects(setUpAll(t, { 'p.yaml': 'extends: enforce\nplugins:\n  - jsonl-sink: false\n  - cir-sink: false\n' }), mistake('allow_list_missing', ''));
});

test('a failure in setup is told with the plugin, its line and the YAML', async (t) => {
  const files = { 'p.yaml': YAML, 'mine.ts': plugin("async setup() {\n    throw new Error('no database');\n  },") };
  await assert.rejects(setUpAll(t, files), mistake('plugin_setup_failed', 'p.yaml:3:5', 'no database', 'mine.ts:6:11'));
  const wrongMethod = { 'p.yaml': YAML, 'mine.ts': plugin("setup({ hooks }) {\n    (hooks.onRequest as any).tapp('mine');\n  },") };
  await assert.rejects(setUpAll(t, wrongMethod), mistake('plugin_setup_failed', 'p.yaml:3:5', 'tapp', 'mine.ts:6:30'));
});

const THIRD_PARTY = `import { defineCapturePlugin } from 'mentu-interceptor';

export default defineCapturePlugin({
  name: 'no-uploads',
  description: 'Denies large requests and notes their methods.',
  options: {
    type: 'object',
    properties: { most: { type: 'integer', minimum: 0, default: 10 } },
  },
  setup({ options, hooks, annotate }) {
    hooks.onRequest.tap('no-uploads', (flow) => {
      const length = Number(flow.request.headers.get('content-length') ?? 0);
      annotate(flow, { method: flow.request.method, length });
      if (length > options.most) {
        return { action: 'deny', rule: \`no-uploads: \${length} > \${options.most}\` };
      }
    });
  },
});
`;

test('a plugin of twenty lines in a folder of its own denies and annotates, loaded by a YAML outside the repository', async (t) => {
  assert.ok(THIRD_PARTY.trim().split('\n').length <= 20);
  const { plugins } = await importAll(t, { 'yaml/p.yaml': 'extends: standard\nplugins:\n  - domain-policy: false\n  - dns-signals: false\n  - jsonl-sink: false\n  - cir-sink: false\n  - ../far/no-uploads: {most: 100}\n', 'far/no-uploads/index.ts': THIRD_PARTY }, './yaml/p.yaml');
  const [loaded] = plugins;
  const trial = await PluginTrial.of(loaded!.plugin as never, loaded!.options as never);
  const denied = await trial.exchange({ method: 'PUT', url: 'https://a.test/', headers: [['Content-Length', '101']] });
  assert.deepEqual([denied.verdict?.action, denied.verdict?.by, denied.record.violation?.rule], ['deny', 'no-uploads', 'no-uploads: 101 > 100']);
  assert.deepEqual(denied.record.annotations, { 'no-uploads': { method: 'PUT', length: 101 } });
  const passed = await trial.exchange({ method: 'PUT', url: 'https://a.test/', headers: [['Content-Length', '100']] });
  assert.equal(passed.verdict, undefined);
  assert.equal(passed.response?.status, 200);
});
