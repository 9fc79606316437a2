import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { test } from 'node:test';
import { readRecipe } from '../../../cli/recipe/recipe.ts';
import { lackingOf, refuseLacking } from '../../../cli/recipe/requirements.ts';
import { Variables } from '../../../cli/recipe/variables.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { mistake, Workspace } from '../settings/workspace.ts';

test('all that lacks is told together: programs and variables', (t) => {
  const requires = { bins: ['sh', 'tool', 'plain', 'folder', './bin/tool', 'no-such'], env: ['SET', 'EMPTY', 'UNSET', 'OWN'] };
  const workspace = new Workspace(t, { 'r.json': JSON.stringify({ env: { OWN: 'x' }, requires, steps: [{ args: ['true'] }] }), 'bin/tool': '', 'bin/plain': '', 'bin/folder/x': '' });
  chmodSync(workspace.path('bin/tool'), 0o755);
  const recipe = readRecipe(new SourceFiles(workspace.folder), workspace.path('r.json'), 'r', Variables.of([]));
  const lacking = lackingOf(recipe, workspace.folder, { PATH: `/usr/bin:${workspace.path('bin')}`, SET: '1', EMPTY: '' });
  assert.deepEqual(lacking, { bins: ['plain', 'folder', 'no-such'], env: ['EMPTY', 'UNSET'] });
  assert.throws(() => refuseLacking(recipe, lacking), mistake('recipe_requires', 'r.json:1:31', 'the programs plain, folder, no-such and the variables EMPTY, UNSET', '/requires'));
  refuseLacking(recipe, { bins: [], env: [] });
});
