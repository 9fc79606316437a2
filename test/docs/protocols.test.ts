/** `docs/protocols.md` shows the rows that the tests of `test/e2e/protocols/` prove, and no others. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

test('the table of protocols is that of the tests', () => {
  const literal = `'((?:[^'\\\\]|\\\\.)*)'`;
  const call = new RegExp(`\\brow\\(\\{ client: ${literal}, server: ${literal}, protocol: ${literal}, result: ${literal} \\}`, 'g');
  const proven = globSync('test/e2e/protocols/*.test.ts', { cwd: ROOT }).flatMap((file) => {
    const text = read(file);
    const rows = [...text.matchAll(call)].map(([, ...cells]) => `| ${cells.map((cell) => cell!.replaceAll("\\'", "'")).join(' | ')} |`);
    assert.equal(rows.length, [...text.matchAll(/^\s*row\(/gm)].length, `${file}: each row is written out on one line, in plain quotes`);
    return rows;
  });
  const shown = read('docs/protocols.md').split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| Client '));
  assert.deepEqual(shown.sort(), proven.sort());
});
