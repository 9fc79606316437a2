import assert from 'node:assert/strict';
import { lstatSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { folderName } from '../../../cli/recipe/recipe-run.ts';
import { readRecipe } from '../../../cli/recipe/recipe.ts';
import { RunRecord } from '../../../cli/recipe/run-record.ts';
import { runSummaryText } from '../../../cli/recipe/run-summary.ts';
import { Variables } from '../../../cli/recipe/variables.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { MentuError } from '../../../core/index.ts';
import { Workspace } from '../settings/workspace.ts';

function open(t: TestContext): { record: RunRecord; workspace: Workspace; warnings: MentuError[]; read(): unknown } {
  const workspace = new Workspace(t, { 'r.json': JSON.stringify({ name: 'r', steps: [{ name: 'a\u001b[2J', vm: true, enableInterception: true, args: ['x'] }, { args: ['y'] }] }), 'run/x': '' });
  const recipe = readRecipe(new SourceFiles(workspace.folder), workspace.path('r.json'), 'r', Variables.of([]));
  const warnings: MentuError[] = [];
  const plans = recipe.steps.map((step) => ({ step, settings: { command: 'x', args: [] } as never, engine: null, isStopgap: false, notes: [] }));
  const record = new RunRecord(recipe, plans, { id: 'run_1', path: workspace.path('run') }, (error) => warnings.push(error));
  return { record, workspace, warnings, read: () => JSON.parse(readFileSync(workspace.path('run/recipe.json'), 'utf8')) };
}

test('the file is whole and current after each change, private, and alone in its folder', (t) => {
  const { record, workspace, read } = open(t);
  assert.deepEqual(read(), JSON.parse(JSON.stringify(record.content)));
  record.update(({ steps }) => {
    steps[0]!.state = 'failed';
    steps[0]!.flows = 3;
    steps[0]!.denied = 1;
  });
  assert.deepEqual(read(), JSON.parse(JSON.stringify(record.content)));
  record.end('failed', 7, null);
  const { state, exit_code, flows, denied, steps } = record.content;
  assert.deepEqual([state, exit_code, flows, denied, steps.map((step) => step.state)], ['failed', 7, 3, 1, ['failed', 'skipped']]);
  assert.deepEqual(read(), JSON.parse(JSON.stringify(record.content)));
  assert.equal(lstatSync(workspace.path('run/recipe.json')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(workspace.path('run')).sort(), ['recipe.json', 'x']);
});

test('a record that cannot be written ends no run, and is told once', (t) => {
  const { record, workspace, warnings } = open(t);
  rmSync(workspace.path('run'), { recursive: true });
  record.update(({ steps }) => void (steps[0]!.state = 'running'));
  record.end('succeeded', 0, null);
  assert.deepEqual(warnings.map(({ code }) => code), ['run_record_not_written']);
});

test('the summary tells every step, and acts on no terminal', (t) => {
  const { record, workspace } = open(t);
  record.update(({ steps }) => Object.assign(steps[0]!, { state: 'failed', exit_code: 124, timed_out: true, duration_ms: 1500, flows: 2, denied: 1 }));
  record.end('failed', 124, 'SIGINT');
  assert.deepEqual(runSummaryText({ ...record.content, duration_ms: 2000 }, workspace.folder).split('\n'), [
    'mentu: recipe r: 0 of 2 steps succeeded, 1 skipped, 2 flows, 1 denied, in 2.00 s, ended by SIGINT, exit code 124',
    '  a\\u{1b}[2J  failed (timed out)  guest  1.50 s, 2 flows, 1 denied',
    '  step-2      skipped             host',
    '  record  run',
    '',
  ]);
});

test('a folder is named by the number of its step, and by what of its name is safe', () => {
  const names: [string, string][] = [['build', '01-build'], ['../../etc/passwd', '01-etc-passwd'], ['.', '01'], ['..', '01'], ['-rf', '01-rf'], ['a b\0c', '01-a-b-c'], ['', '01'], ['Ünïcode ½', '01-U-ni-code-1-2'], ['x'.repeat(500), `01-${'x'.repeat(48)}`]];
  for (const [name, folder] of names) assert.equal(folderName(0, name), folder, JSON.stringify(name));
  assert.equal(folderName(141, 'a'), '142-a');
});
