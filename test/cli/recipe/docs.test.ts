/** The examples of docs/recipes.md are recipes, and its tables name every key. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { recipeSchema } from '../../../cli/recipe/recipe-schema.ts';
import { readRecipe } from '../../../cli/recipe/recipe.ts';
import { Variables } from '../../../cli/recipe/variables.ts';
import { packageRoot } from '../../../cli/settings/installation.ts';
import { SourceFiles } from '../../../cli/settings/source-file.ts';
import { mistake, Workspace } from '../settings/workspace.ts';

const page = readFileSync(join(packageRoot, 'docs/recipes.md'), 'utf8');
const recipes = [...page.matchAll(/^```json\n([^]*?)^```$/gm)].map(([, text]) => text!);

test('the examples are valid recipes', (t) => {
  assert.equal(recipes.length, 2);
  const workspace = new Workspace(t, { 'recipes/a.json': recipes[0]!, 'recipes/b.json': recipes[1]! });
  const files = new SourceFiles(workspace.folder);
  const [analyze] = readRecipe(files, workspace.path('recipes/a.json'), 'a', Variables.of([])).steps;
  assert.deepEqual([analyze!.name, analyze!.vm, analyze!.capture, analyze!.commandLine[0]], ['analyze', true, true, 'curl']);
  const release = readRecipe(files, workspace.path('recipes/b.json'), 'b', Variables.of(['VERSION=1.2.0']));
  assert.deepEqual(release.steps.map(({ name, vm }) => [name, vm]), [['build', false], ['test', true], ['lint', true], ['publish', false]]);
  assert.deepEqual([release.env['VERSION'], release.workspace], ['1.2.0', workspace.folder]);
  assert.equal(release.steps[3]!.commandLine.at(-1), 'npm publish --tag v${VERSION}');
});

test('the mistake of the page is told as it says', (t) => {
  const workspace = new Workspace(t, { 'recipe.json': '{\n  "steps": [\n    {\n      "name": "a",\n      "arg": ["x"]\n    }\n  ]\n}' });
  const [, told] = /^recipe\.json:5:7 (.*), …$/m.exec(page)!;
  assert.throws(() => readRecipe(new SourceFiles(workspace.folder), workspace.path('recipe.json'), 'r', Variables.of([])), mistake('settings_unknown_key', 'recipe.json:5:7', told!));
});

test('every key is explained', () => {
  const { steps, requires, ...top } = recipeSchema.properties;
  const keys = [...Object.keys(top), ...Object.keys(requires.properties).map((key) => `requires.${key}`), ...Object.keys(steps.items.properties)];
  for (const key of keys) if (key !== 'command') assert.match(page, new RegExp(`\`(?:steps\\[\\]\\.)?${key.replace('$', '\\$')}\``), key);
  assert.match(page, /`steps\[\]\.command`/);
});
