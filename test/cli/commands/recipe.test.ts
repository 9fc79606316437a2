/** `mentu recipe list`, `validate` and `show`, as programs. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Workspace, type Run } from '../../e2e/stage/workspace.ts';

const LIMIT = { timeout: 60_000 };
let workspace: Workspace;
const mentu = (...args: string[]): Promise<Run> => workspace.run('mentu', args);
/** The lines of a table, as cells. */
const table = (text: string): string[][] => text.trimEnd().split('\n').map((line) => line.split(/ {2,}/));

before(() => {
  workspace = new Workspace();
  mkdirSync(workspace.path('.mentu/recipes'), { recursive: true });
  mkdirSync(workspace.path('home/recipes'), { recursive: true });
  workspace.write('.mentu/recipes/analyze.json', { description: 'Looks at it.', env: { A: '1' }, requires: { bins: ['git'] }, vm: true, steps: [{ name: 'look', enableInterception: true, args: ['curl', '${URL}'] }, { vm: false, args: ['true'], timeout: 90 }] });
  workspace.write('.mentu/recipes/broken.json', '{"steps": [{"arg": []}]}');
  workspace.write('home/recipes/analyze.json', { steps: [{ args: ['true'] }] });
  workspace.write('home/recipes/nightly.json', { description: 'Every night.', profile: 'none.json', steps: [{ args: ['true'] }] });
});
after(() => workspace.close());

test('list: those here, those of the home, what hides what, and what cannot be read', LIMIT, async () => {
  const { code, stdout } = await mentu('recipe', 'list');
  assert.equal(code, 0);
  const [, analyze, broken, hidden, nightly] = table(stdout);
  assert.deepEqual(analyze, ['analyze', '2', '.mentu/recipes/analyze.json', 'Looks at it.']);
  assert.match(broken!.join(' '), /^broken - .*broken\.json:1:13 \/steps\/0\/arg: .*did you mean `args`/);
  assert.equal(hidden!.at(-1), '(hidden by the one here)');
  assert.deepEqual([nightly![0], nightly!.at(-1)], ['nightly', 'Every night.']);
  const rows = JSON.parse((await mentu('recipe', 'list', '--json')).stdout) as { name: string; steps: number | null; hidden: boolean }[];
  assert.deepEqual(rows.map(({ name, steps, hidden: isHidden }) => [name, steps, isHidden]), [['analyze', 2, false], ['broken', null, false], ['analyze', 1, true], ['nightly', 1, false]]);
});

test('validate: 0 with what it is, 1 with the place of the mistake, also in a profile that it names', LIMIT, async () => {
  const fine = await mentu('recipe', 'validate', 'analyze');
  assert.deepEqual([fine.code, fine.stdout], [0, '.mentu/recipes/analyze.json: valid, 2 steps (look, step-2), variables URL\n']);
  assert.equal((await mentu('recipe', 'validate', '.mentu/recipes/analyze.json', '--var', 'URL=x')).stdout, '.mentu/recipes/analyze.json: valid, 2 steps (look, step-2)\n');
  const broken = await mentu('recipe', 'validate', './.mentu/recipes/broken.json');
  assert.deepEqual([broken.code, broken.stdout], [1, '']);
  assert.match(broken.stderr, /broken\.json:1:13 \/steps\/0\/arg: Unknown key/);
  const nightly = await mentu('recipe', 'validate', 'nightly');
  assert.equal(nightly.code, 1);
  assert.match(nightly.stderr, /nightly\.json:\d+:\d+ \/profile: The profile .*none\.json cannot be read/);
});

test('show: the recipe as it takes effect', LIMIT, async () => {
  const { code, stdout } = await mentu('recipe', 'show', 'analyze');
  assert.equal(code, 0);
  const [facts, steps] = stdout.split('\n\n') as [string, string];
  assert.deepEqual(facts.split('\n').map((line) => line.split(/ {2,}/)), [['recipe', 'analyze'], ['file', '.mentu/recipes/analyze.json'], ['description', 'Looks at it.'], ['workspace', '(where it is run)'], ['env', 'A=1'], ['requires', 'programs git'], ['variables', 'URL']]);
  assert.deepEqual(table(steps).slice(1), [['look', 'guest', 'yes', '-', '-', 'stop', "curl '${URL}'"], ['step-2', 'host', 'no', '-', '1m30s', 'stop', 'true']]);
  const shown = JSON.parse((await mentu('recipe', 'show', 'analyze', '--json')).stdout) as { variables: string[]; steps: { command: string[]; env: object; timeout: number | null }[] };
  assert.deepEqual([shown.variables, shown.steps.map(({ command, env, timeout }) => [command, env, timeout])], [['URL'], [[['curl', '${URL}'], { A: '1' }, null], [['true'], { A: '1' }, 90_000]]]);
});

test('without recipes, list says where they go', LIMIT, async () => {
  mkdirSync(workspace.path('empty'), { recursive: true });
  const { code, stdout, stderr } = await workspace.run('mentu', ['recipe', 'list'], { cwd: workspace.path('empty'), env: { MENTU_HOME: workspace.path('empty') } });
  assert.deepEqual([code, stdout], [0, '']);
  assert.match(stderr, /\.mentu\/recipes\//);
});
