import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { listRecipes, locateRecipe } from '../../../cli/recipe/recipe-location.ts';
import { mistake, Workspace } from '../settings/workspace.ts';

function open(t: TestContext): { workspace: Workspace; home: string } {
  const workspace = new Workspace(t, { '.mentu/recipes/analyze.json': '', '.mentu/recipes/.hidden.json': '', '.mentu/recipes/notes.txt': '', 'home/recipes/analyze.json': '', 'home/recipes/nightly.json': '', plain: '' });
  return { workspace, home: workspace.path('home') };
}

test('a name is looked for here first, then in the home', (t) => {
  const { workspace, home } = open(t);
  const here = locateRecipe('analyze', workspace.folder, home);
  assert.deepEqual(here, { name: 'analyze', path: workspace.path('.mentu/recipes/analyze.json'), shown: '.mentu/recipes/analyze.json', hides: workspace.path('home/recipes/analyze.json') });
  assert.equal(locateRecipe('nightly', workspace.folder, home).path, workspace.path('home/recipes/nightly.json'));
});

test('what holds a slash or ends in .json is a file, and no name', (t) => {
  const { workspace, home } = open(t);
  for (const [reference, path, name] of [['./plain', 'plain', 'plain'], ['analyze.json', 'analyze.json', 'analyze'], ['sub/x.json', 'sub/x.json', 'x']] as const) {
    assert.deepEqual(locateRecipe(reference, workspace.folder, home), { name, path: workspace.path(path), shown: reference, hides: null });
  }
});

test('an unknown name is told with those that there are, and the nearest', (t) => {
  const { workspace, home } = open(t);
  assert.throws(() => locateRecipe('analise', workspace.folder, home), mistake('recipe_unknown', '', 'did you mean `analyze`?', 'analyze, nightly', '.mentu/recipes', home));
  assert.throws(() => locateRecipe('plain', workspace.folder, home), mistake('recipe_unknown', '', 'did you mean `./plain`?'));
  assert.throws(() => locateRecipe('.hidden', workspace.folder, home), mistake('recipe_unknown', ''));
});

test('all are listed; a home that is the .mentu of this directory counts once', (t) => {
  const { workspace, home } = open(t);
  assert.deepEqual(listRecipes(workspace.folder, home).map(({ name, hides }) => [name, hides !== null]), [['analyze', true], ['analyze', false], ['nightly', false]]);
  assert.deepEqual(listRecipes(workspace.folder, workspace.path('.mentu')).map(({ name }) => name), ['analyze']);
  assert.deepEqual(listRecipes(workspace.path('none'), workspace.path('nowhere')), []);
});
