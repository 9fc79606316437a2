import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { PluginModules } from '../../../cli/plugins/modules.ts';
import { planNotes } from '../../../cli/recipe/plan-text.ts';
import { readRecipe } from '../../../cli/recipe/recipe.ts';
import { planSteps, type StepPlan } from '../../../cli/recipe/step-plan.ts';
import { Variables } from '../../../cli/recipe/variables.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { mistake, Workspace } from '../settings/workspace.ts';

async function plan(t: TestContext, recipe: object, files: Record<string, string> = {}): Promise<{ plans: StepPlan[]; workspace: Workspace }> {
  const workspace = new Workspace(t, { ...files, 'recipes/r.json': JSON.stringify(recipe) });
  mkdirSync(workspace.path('data'), { recursive: true });
  const modules = new PluginModules();
  t.after(() => modules.close());
  const read = readRecipe(new SourceFiles(workspace.folder), workspace.path('recipes/r.json'), 'r', Variables.of([]));
  return { plans: await planSteps(read, read.steps, { cwd: workspace.folder, modules, run: 'run_1' }), workspace };
}

test('a step on the host and one in a guest: settings as exec has them, and the step that they are', async (t) => {
  const { plans, workspace } = await plan(t, { name: 'nightly', vm: true, engine: 'namespace', steps: [{ args: ['a'], enableInterception: true }, { args: ['b'], vm: false }] });
  const [guest, host] = plans;
  assert.deepEqual([guest!.engine?.name, guest!.settings.interceptor, guest!.settings.host], ['namespace', true, false]);
  assert.deepEqual([host!.engine, host!.settings.interceptor, host!.settings.host], [null, false, true]);
  assert.deepEqual(guest!.settings.step, { name: 'step-1', recipe: 'nightly', run: 'run_1' });
  assert.deepEqual([guest!.settings.workspace, guest!.settings.mounts], [workspace.folder, []]);
  assert.deepEqual(planNotes(plans), []);
});

test('the engine is that of the step, else of the recipe, else of the profile', async (t) => {
  const engineOf = async (step: string | undefined, recipe: string | undefined, profile: string | undefined): Promise<unknown> => {
    const { plans } = await plan(t, { vm: true, engine: recipe, steps: [{ args: ['a'], engine: step, profile: '../p.json' }] }, { 'p.json': JSON.stringify({ engine: profile }) });
    return plans[0]!.engine?.name;
  };
  assert.equal(await engineOf('namespace', 'none-a', 'none-b'), 'namespace');
  assert.equal(await engineOf(undefined, 'namespace', 'none-b'), 'namespace');
  assert.equal(await engineOf(undefined, undefined, 'namespace'), 'namespace');
  await assert.rejects(engineOf('none-a', 'namespace', 'namespace'), mistake('unknown_engine', undefined, 'none-a', 'r.json:1:65 /steps/0/engine'));
  await assert.rejects(engineOf(undefined, 'none-b', 'namespace'), mistake('unknown_engine', undefined, 'none-b', '/engine'));
  await assert.rejects(engineOf(undefined, undefined, 'none-c'), mistake('unknown_engine', undefined, 'none-c'));
});

test('a guest without mounts sees the workspace; one with mounts sees those', async (t) => {
  const steps = [{ args: ['a'] }, { args: ['b'], profile: '../p.json' }, { args: ['c'], vm: false }];
  const { plans, workspace } = await plan(t, { workspace: '../data', vm: true, engine: 'namespace', steps }, { 'p.json': '{"mounts": [{"source": "data", "destination": "/own", "readOnly": true}]}' });
  const data = workspace.path('data');
  assert.deepEqual(plans.map(({ settings }) => settings.workspace), [data, data, data]);
  assert.deepEqual(plans[0]!.settings.mounts, [{ source: data, destination: '/workspace', readOnly: false }]);
  assert.deepEqual(plans[1]!.settings.mounts, [{ source: data, destination: '/own', readOnly: true }]);
});

test('variables: the step beats the recipe, it the profile, it mentu.yaml; a timeout of the step beats that of the profile', async (t) => {
  const profile = { command: 'p', args: ['1'], env: { A: 'profile', B: 'profile', C: 'profile' }, timeout: 9 };
  const { plans } = await plan(
    t,
    { env: { A: 'recipe', B: 'recipe' }, vm: true, engine: 'namespace', profile: '../p.json', steps: [{ args: ['a'], env: { A: 'step' }, timeout: '2s' }, { env: { B: 'step' } }, { args: ['c'], timeout: 0 }] },
    { 'p.json': JSON.stringify(profile), 'mentu.yaml': 'env: {C: config, D: config}\n' },
  );
  assert.deepEqual(plans.map(({ settings }) => settings.env), [
    { A: 'step', B: 'recipe', C: 'profile', D: 'config' },
    { A: 'recipe', B: 'step', C: 'profile', D: 'config' },
    { A: 'recipe', B: 'recipe', C: 'profile', D: 'config' },
  ]);
  assert.deepEqual(plans.map(({ settings }) => settings.timeout), [2000, 9000, null]);
  assert.deepEqual(plans.map(({ settings: { command, args } }) => [command, ...args]), [['a'], ['p', '1'], ['c']]);
});

test('what has no effect on the host is said, interception in one line', async (t) => {
  const { plans } = await plan(t, { engine: 'namespace', steps: [{ name: 'x', args: ['a'], enableInterception: true }, { args: ['b'], profile: '../p.json' }] }, { 'p.json': '{"sandbox": {"deniedDomains": ["a.test"]}, "cpus": 1, "ports": [80]}' });
  const notes = planNotes(plans);
  assert.equal(notes.filter((line) => line.includes('interception') || line.includes('enableInterception')).length, 1, notes.join('\n'));
  assert.match(notes.join('\n'), /^mentu: x: enableInterception has no effect: the step runs on the host/m);
  assert.match(notes.join('\n'), /step-2: the domain lists do not apply/);
  assert.match(notes.join('\n'), /step-2: no effect.*: cpus, ports\./);
  assert.match(notes.join('\n'), /x: the engine namespace is not used/);
});

for (const [name, step, files, code, place, ...words] of [
  ['a profile that is not there', { args: ['a'], profile: 'none.json' }, {}, 'file_unreadable', undefined, 'none.json', '/steps/0/profile'],
  ['a mistake in a profile', { args: ['a'], profile: '../p.json' }, { 'p.json': '{"comand": ""}' }, 'settings_unknown_key', 'p.json:1:2', 'did you mean `command`?'],
  ['a preset that there is none', { args: ['a'], preset: 'standrad' }, {}, 'preset_unknown', undefined, 'standard', '/steps/0/preset'],
  ['a profile without a command', { profile: '../p.json' }, { 'p.json': '{}' }, 'recipe_step_invalid', undefined, 'neither it nor its profile', '/steps/0'],
  ['lists that would not hold', { args: ['a'], profile: '../p.json' }, { 'p.json': '{"sandbox": {"deniedDomains": ["a.test"]}}' }, 'lists_without_interceptor', undefined, 'enableInterception', '/steps/0'],
  ['a plugin that cannot be loaded', { args: ['a'], enableInterception: true, preset: '../own.yaml' }, { 'own.yaml': 'plugins: [./none]\n' }, 'plugin_not_found', 'own.yaml:1:11', './none'],
  ['a mentu.yaml that nobody has trusted', { args: ['a'] }, { 'mentu.yaml': 'interceptor:\n  hosts: {a.test: 127.0.0.1}\n' }, 'config_untrusted', 'mentu.yaml:2:3', 'config trust'],
] as const) {
  test(`refused before anything runs: ${name}`, async (t) => {
    await assert.rejects(plan(t, { vm: true, steps: [{ ...step, engine: 'namespace' }] }, files), mistake(code, place, ...words));
  });
}

test('on the host, variables of a mentu.yaml that nobody has trusted are refused, as in exec', async (t) => {
  await assert.rejects(plan(t, { steps: [{ args: ['a'] }] }, { 'mentu.yaml': 'env: {PATH: /evil}\n' }), mistake('config_untrusted', 'mentu.yaml:1:1', 'on the host itself'));
});
