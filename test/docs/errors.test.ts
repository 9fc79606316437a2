import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS } from '../../core/index.ts';
import { errorsPage, page } from '../../docs/errors.ts';

const ROOT = join(import.meta.dirname, '../..');
const CODES = Object.keys(ERRORS);

test('the page of errors is that of the table; `npm run docs` writes it', () => {
  assert.equal(readFileSync(page, 'utf8'), errorsPage());
});

test('the page has every code of the table once, in a row of its own', () => {
  const rows = [...errorsPage().matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
  assert.deepEqual(rows.toSorted(), CODES.toSorted());
});

test('every code is thrown, or given as the code of a decision, somewhere in the sources', () => {
  const files = globSync('{core,plugins,cli}/**/*.ts', { cwd: ROOT }).filter((file) => file !== 'core/errors.ts');
  assert.ok(files.length > 100);
  const sources = files.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n');
  const unused = CODES.filter((code) => !new RegExp(`MentuError\\(\\s*[^,{]*'${code}'|\\bcode: '${code}'`).test(sources));
  assert.deepEqual(unused, []);
});

test('every code says what happened and what to do', () => {
  for (const [code, { message, remedy }] of Object.entries(ERRORS)) assert.ok(message.trim() !== '' && remedy.trim() !== '', code);
});
