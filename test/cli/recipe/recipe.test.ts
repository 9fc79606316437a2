import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { readRecipe, type Recipe } from '../../../cli/recipe/recipe.ts';
import { Variables } from '../../../cli/recipe/variables.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { MentuError } from '../../../core/index.ts';
import { mistake, Workspace } from '../settings/workspace.ts';

function read(t: TestContext, text: string | object, variables: readonly string[] = []): { recipe: Recipe; workspace: Workspace } {
  const workspace = new Workspace(t, { 'recipes/r.json': typeof text === 'string' ? text : JSON.stringify(text), 'recipes/p.json': '{}' });
  mkdirSync(workspace.path('data'));
  return { recipe: readRecipe(new SourceFiles(workspace.folder), workspace.path('recipes/r.json'), 'r', Variables.of(variables)), workspace };
}

test('steps take from the recipe what they do not say themselves', (t) => {
  const { recipe, workspace } = read(t, {
    workspace: '../data',
    env: { A: 'recipe', B: 'recipe' },
    vm: true,
    engine: 'namespace',
    profile: 'p.json',
    steps: [
      { args: ['curl', '-sS', 'https://a.test/'] },
      { label: 'second', command: 'node', args: ['x.js'], vm: false, engine: 'qemu', profile: '../q.json', preset: 'audit', env: { B: 'step' }, timeout: '1m', enableInterception: true, continueOnError: true },
      { name: 'third', command: 'ls', preset: './own.yaml', timeout: 0 },
    ],
  });
  assert.equal(recipe.name, 'r');
  assert.equal(recipe.workspace, workspace.path('data'));
  assert.deepEqual(
    recipe.steps.map(({ placeOf: _, ...step }) => step),
    [
      { name: 'step-1', commandLine: ['curl', '-sS', 'https://a.test/'], env: { A: 'recipe', B: 'recipe' }, vm: true, engine: 'namespace', capture: false, profile: workspace.path('recipes/p.json'), preset: null, timeout: undefined, continueOnError: false },
      { name: 'second', commandLine: ['node', 'x.js'], env: { A: 'recipe', B: 'step' }, vm: false, engine: 'qemu', capture: true, profile: workspace.path('q.json'), preset: 'audit', timeout: 60_000, continueOnError: true },
      { name: 'third', commandLine: ['ls'], env: { A: 'recipe', B: 'recipe' }, vm: true, engine: 'namespace', capture: false, profile: workspace.path('recipes/p.json'), preset: workspace.path('recipes/own.yaml'), timeout: 0, continueOnError: false },
    ],
  );
});

test('without `vm` a step runs on the host', (t) => {
  const { recipe } = read(t, { steps: [{ args: ['true'] }, { args: ['true'], vm: true }] });
  assert.deepEqual(recipe.steps.map(({ vm }) => vm), [false, true]);
});

test('variables are filled in command, args, env, workspace, profile and preset', (t) => {
  const { recipe, workspace } = read(
    t,
    { workspace: '../${DIR}', env: { A: 'x-${V}' }, profile: '${P}.json', steps: [{ command: '${C}', args: ['${V}${V}', '$${V}', '$V', '${V:-no}', '${}'], env: { B: '${V}' }, preset: '${P}' }] },
    ['DIR=data', 'V=a b', 'P=p', 'C=sh'],
  );
  const [step] = recipe.steps;
  assert.deepEqual([recipe.workspace, step!.profile, step!.preset], [workspace.path('data'), workspace.path('recipes/p.json'), 'p']);
  assert.deepEqual(step!.commandLine, ['sh', 'a ba b', '${V}', '$V', '${V:-no}', '${}']);
  assert.deepEqual(step!.env, { A: 'x-a b', B: 'a b' });
});

const bad: [name: string, text: string | object, code: string, place: string, pointer: string, ...words: string[]][] = [
  ['an unknown key', '{"steps": [\n  {"args": ["x"],\n   "enableInterceptor": true}]}', 'settings_unknown_key', 'recipes/r.json:3:4', '/steps/0/enableInterceptor', 'did you mean `enableInterception`?', 'r.json:3:4 /steps/0/enableInterceptor: Unknown key'],
  ['an unknown key at the top', '{"steps": [{"args": ["x"]}],\n "wm": true}', 'settings_unknown_key', 'recipes/r.json:2:2', '/wm', 'did you mean `vm`?'],
  ['a wrong type', '{"steps": [{"args": ["x"]},\n {"args": ["x"], "vm": "yes"}]}', 'settings_wrong_value', 'recipes/r.json:2:24', '/steps/1/vm', 'steps[1].vm must be true or false, not "yes"'],
  ['a command as one text', '{"steps": [{"args": "ls -l"}]}', 'settings_wrong_value', 'recipes/r.json:1:21', '/steps/0/args', 'a list'],
  ['a number among the arguments', '{"steps": [{"args": ["sleep", 5]}]}', 'settings_wrong_value', 'recipes/r.json:1:31', '/steps/0/args/1', 'a string'],
  ['a number for a variable', '{"env": {"a/b~c": 1}, "steps": [{"args": ["x"]}]}', 'settings_wrong_value', 'recipes/r.json:1:19', '/env/a~1b~0c', 'a string'],
  ['no steps', '{"name": "x"}', 'settings_missing_key', 'recipes/r.json:1:1', '', '`steps`'],
  ['an empty list of steps', '{"steps": []}', 'settings_wrong_value', 'recipes/r.json:1:11', '/steps', 'at least 1'],
  ['a step that is a text', '{"steps": ["ls"]}', 'settings_wrong_value', 'recipes/r.json:1:12', '/steps/0', 'an object'],
  ['a key given twice', '{"steps": [{"args": ["x"],\n "args": ["y"]}]}', 'settings_duplicate_key', 'recipes/r.json:2:2', ''],
  ['a step without a command', '{"steps": [{"args": ["x"]},\n {"name": "empty", "args": []}]}', 'recipe_step_invalid', 'recipes/r.json:2:2', '/steps/1', 'The step empty', 'neither `command` nor `args`'],
  ['an empty command', '{"steps": [{"args": ["", "x"]}]}', 'recipe_step_invalid', 'recipes/r.json:1:21', '/steps/0/args', 'its command is empty'],
  ['a name and a label', '{"steps": [{"args": ["x"], "name": "a", "label": "b"}]}', 'recipe_step_invalid', 'recipes/r.json:1:41', '/steps/0/label', 'both'],
  ['two steps of one name', '{"steps": [{"args": ["x"], "name": "a"},\n {"args": ["x"], "label": "a"}]}', 'recipe_step_duplicate', 'recipes/r.json:2:2', '/steps/1', '/steps/0'],
  ['the name of a step without one', '{"steps": [{"args": ["x"]},\n {"args": ["x"], "name": "step-1"}]}', 'recipe_step_duplicate', 'recipes/r.json:2:2', '/steps/1'],
  ['a timeout that is none', '{"steps": [{"args": ["x"], "timeout": "soon"}]}', 'settings_wrong_value', 'recipes/r.json:1:39', '/steps/0/timeout', 'steps[0].timeout', '"90s"'],
  ['a variable without a value', '{"steps": [{"args": ["x", "${TARGT}"]}]}', 'recipe_variable_unknown', 'recipes/r.json:1:27', '/steps/0/args/1', 'TARGT', 'TARGET has one', '--var TARGT=VALUE'],
  ['a workspace that is not there', '{"workspace": "none", "steps": [{"args": ["x"]}]}', 'file_unreadable', 'recipes/r.json:1:15', '/workspace', 'workspace none', 'no such folder'],
  ['a workspace that is a file', '{"workspace": "p.json", "steps": [{"args": ["x"]}]}', 'file_unreadable', 'recipes/r.json:1:15', '/workspace', 'no folder'],
  ['an impossible name of a variable', '{"steps": [{"args": ["x"], "env": {"A=B": ""}}]}', 'settings_wrong_value', 'recipes/r.json:1:36', '/steps/0/env/A=B', 'name of a variable'],
  ['an engine that is no name', '{"engine": "QEMU", "steps": [{"args": ["x"]}]}', 'settings_wrong_value', 'recipes/r.json:1:12', '/engine'],
];

for (const [name, text, code, place, pointer, ...words] of bad) {
  test(`refused with its place and pointer: ${name}`, (t) => {
    assert.throws(
      () => read(t, text, ['TARGET=x']),
      (error) => mistake(code, place, ...words)(error) && ((error as MentuError).place?.pointer ?? '') === pointer,
    );
  });
}

test('the flags of variables: malformed, twice, unasked for', (t) => {
  for (const flag of ['X', '=x', '1=x', 'a-b=x']) assert.throws(() => Variables.of([flag]), mistake('bad_flag', undefined, 'NAME=VALUE', flag));
  assert.throws(() => Variables.of(['X=1', 'X=2']), mistake('bad_flag', undefined, 'X twice'));
  const variables = Variables.of(['TARGET=a=b', 'TARGT=x']);
  assert.equal(variables.fill('${TARGET}', {}), 'a=b');
  assert.throws(() => variables.requireUse(), mistake('bad_flag', undefined, 'TARGT', 'did you mean TARGET?'));
  assert.doesNotThrow(() => read(t, { steps: [{ args: ['x'] }] }));
});

test('a value is not looked through for variables again', () => {
  assert.equal(Variables.of(['A=${B}', 'B=$&']).fill('${A} ${B}', {}), '${B} $&');
});
