/** A stranger's plugin of 20 lines, in a folder of its own, loaded by path from a YAML elsewhere; and the mistakes one makes. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Stage } from './stage/stage.ts';
import { Workspace, type Run } from './stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
const PLUGIN = `import { defineCapturePlugin } from 'mentu-interceptor';

export default defineCapturePlugin({
  name: 'office-hours',
  description: 'Denies paths and notes the rest.',
  options: {
    type: 'object',
    properties: { closed: { type: 'array', items: { type: 'string' } }, label: { type: 'string', default: 'open' } },
    required: ['closed'],
    additionalProperties: false,
  },
  setup({ options, job, hooks, annotate }) {
    hooks.onRequest.tap('office-hours', (flow) => {
      if (options.closed.includes(flow.request.path)) return { action: 'deny', rule: 'closed: ' + flow.request.path };
      annotate(flow, { label: options.label, job: job.id });
    });
    hooks.onFlowComplete.annotate.tap('office-hours', (flow) => annotate(flow, { status: flow.record.response?.status }));
  },
});
`;
const PRESET = 'description: Standard, with a plugin of ours.\nextends: standard\nplugins:\n  - ../elsewhere/office-hours.ts:\n      closed: [/closed]\n      label: ours\n';

let stage: Stage;
/** Outside the repository and outside the workspace. */
let outside: Workspace;
before(async () => {
  stage = await Stage.open();
  stage.profile();
  outside = new Workspace();
  for (const folder of ['elsewhere', 'presets']) mkdirSync(outside.path(folder));
});
after(async () => {
  outside.close();
  await stage.close();
});

/** Runs a job under a preset of the given text, with a plugin of the given text. */
function flagsFor(preset = PRESET, plugin = PLUGIN): string[] {
  writeFileSync(outside.path('presets/ours.yaml'), preset);
  writeFileSync(outside.path('elsewhere/office-hours.ts'), plugin);
  return ['--profile', 'profile.json', '--preset', outside.path('presets/ours.yaml')];
}

async function refused(preset?: string, plugin?: string): Promise<Run> {
  const run = await stage.workspace.run('mentu-runtime', ['exec', '--interceptor', ...flagsFor(preset, plugin), '--', 'echo', 'ran']);
  assert.deepEqual([run.code, run.stdout], [125, ''], run.stderr);
  return run;
}

test('it denies and annotates, and is listed by its name in record and signals', LIMIT, async () => {
  assert.ok(PLUGIN.trimEnd().split('\n').length <= 20);
  const served = stage.origin.seen.length;
  const job = await stage.workspace.job(flagsFor(), ['sh', '-c', 'curl -sS -i https://api.demo.test/closed; curl -sS https://api.demo.test/open']);
  assert.match(job.stdout, /^HTTP\/2 403 [^]*x-mentu-violation: vio_[^]*"rule":"closed: \/closed"[^]*GET \/open 0\n$/);
  assert.deepEqual(stage.origin.seen.slice(served).map(({ path }) => path), ['/open']);
  const [denied, open] = job.flows;
  assert.deepEqual([denied!.outcome, denied!.policy!.by, denied!.violation!.by, denied!.annotations], ['denied', 'office-hours', 'office-hours', { 'office-hours': { status: 403 } }]);
  assert.deepEqual([open!.outcome, open!.annotations], ['completed', { 'office-hours': { label: 'ours', job: job.summary.job_id, status: 200 } }]);
  const [violation] = await stage.workspace.signals('--type', 'sandbox_violation', '--job', job.summary.job_id);
  assert.deepEqual([violation!.data['by'], violation!.data['violation']], ['office-hours', denied!.violation!.id]);
  const found = await stage.workspace.signals('--job', job.summary.job_id, '--where', 'annotations.office-hours.label=ours');
  assert.deepEqual(found.map(({ id }) => id), [`sig_${open!.id}`], 'queryable by what it noted');
});

test('a typo in an option is refused with file and line', LIMIT, async () => {
  const { stderr } = await refused(PRESET.replace('closed:', 'clsed:'));
  assert.match(stderr, /presets\/ours\.yaml:5\b/);
  assert.match(stderr, /clsed/);
  assert.match(stderr, /closed/, 'what was meant');
});

test('a wrong value of an option is refused with file and line', LIMIT, async () => {
  const { stderr } = await refused(PRESET.replace('label: ours', 'label: [1]'));
  assert.match(stderr, /presets\/ours\.yaml:6\b[^]*label/);
});

test('a typo in the name of a hook is refused, with the line of the YAML and of the source', LIMIT, async () => {
  const { stderr } = await refused(PRESET, PLUGIN.replace('hooks.onRequest', 'hooks.onReqest'));
  assert.match(stderr, /presets\/ours\.yaml:4\b/);
  assert.match(stderr, /elsewhere\/office-hours\.ts:13\b/);
  assert.match(stderr, /onReqest[^]*onRequest/);
});

test('a typo in the name of a stage is refused likewise', LIMIT, async () => {
  const { stderr } = await refused(PRESET, PLUGIN.replace('onFlowComplete.annotate', 'onFlowComplete.anotate'));
  assert.match(stderr, /elsewhere\/office-hours\.ts:17\b/);
  assert.match(stderr, /anotate[^]*annotate/);
});

test('a path that leads nowhere, a syntax error and an unknown key of the preset are refused with their places', LIMIT, async () => {
  assert.match((await refused(PRESET.replace('office-hours.ts', 'office-hour.ts'))).stderr, /presets\/ours\.yaml:4\b[^]*office-hour\.ts/);
  assert.match((await refused(PRESET, PLUGIN.replace('setup({', 'setup({{'))).stderr, /elsewhere\/office-hours\.ts:12\b/);
  assert.match((await refused(PRESET.replace('extends:', 'extend:'))).stderr, /presets\/ours\.yaml:2\b[^]*extend[^]*extends/);
});

test('a plugin that fails while deciding denies; one that fails while observing harms nothing', LIMIT, async () => {
  const failing = PLUGIN.replace('return { action:', "return options.nothing.at(0) ?? { action:").replace("annotate(flow, { status", "fail(flow.record.response?.status === 200) ?? annotate(flow, { status") + "\nfunction fail(now) {\n  if (now) throw new Error('cannot note');\n}\n";
  const served = stage.origin.seen.length;
  const job = await stage.workspace.job(flagsFor(PRESET, failing), ['sh', '-c', 'curl -sS https://api.demo.test/closed; curl -sS https://api.demo.test/open']);
  assert.match(job.stdout, /"error":"decision_failed"[^]*GET \/open 0\n$/);
  assert.deepEqual(job.flows.map(({ outcome, error }) => [outcome, error?.code]), [['denied', 'decision_failed'], ['completed', undefined]]);
  assert.deepEqual(stage.origin.seen.slice(served).map(({ path }) => path), ['/open']);
  assert.match(job.stderr, /office-hours \(onFlowComplete\.annotate\) failed/);
});

test('a plugin that is an npm package is found beside the YAML that lists it', LIMIT, async () => {
  mkdirSync(outside.path('presets/node_modules/office-hours'), { recursive: true });
  writeFileSync(outside.path('presets/node_modules/office-hours/package.json'), JSON.stringify({ name: 'office-hours', version: '1.0.0', type: 'module', exports: './plugin.js' }));
  writeFileSync(outside.path('presets/node_modules/office-hours/plugin.js'), PLUGIN);
  const job = await stage.workspace.job(flagsFor(PRESET.replace('../elsewhere/office-hours.ts', 'office-hours')), ['curl', '-sS', 'https://api.demo.test/closed']);
  assert.deepEqual(job.flows.map(({ policy }) => policy!.by), ['office-hours']);
});
