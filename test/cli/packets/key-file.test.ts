import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { KeyFile } from '../../../cli/packets/key-file.ts';
import type { MentuError } from '../../../core/index.ts';

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'key-file-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('each line is in the file when it has been taken, and the file is its owner’s', (context) => {
  const path = join(folderOf(context), 'keys.log');
  writeFileSync(path, 'CLIENT_RANDOM 00 11\n');
  chmodSync(path, 0o644);
  const file = new KeyFile({ path, warn: (error) => assert.fail(error) });
  file.add('CLIENT_RANDOM aa bb\n');
  assert.equal(readFileSync(path, 'utf8'), 'CLIENT_RANDOM 00 11\nCLIENT_RANDOM aa bb\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  file.close();
});

test('a link, and what is no file, is refused', (context) => {
  const folder = folderOf(context);
  writeFileSync(join(folder, 'elsewhere'), '');
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'keys.log'));
  for (const path of [join(folder, 'keys.log'), folder, '/dev/full']) {
    const mode = statSync(path).mode;
    assert.throws(() => new KeyFile({ path, warn: () => {} }), { code: 'record_not_writable' });
    assert.equal(statSync(path).mode, mode);
  }
});

test('lines that cannot be written are told once', (context) => {
  const path = join(folderOf(context), 'keys.log');
  const warnings: MentuError[] = [];
  const file = new KeyFile({ path, warn: (error) => warnings.push(error) });
  file.close();
  file.add('CLIENT_RANDOM aa bb\n');
  file.add('CLIENT_RANDOM cc dd\n');
  assert.deepEqual(warnings.map(({ code }) => code), ['key_log_incomplete']);
  assert.match(warnings[0]!.message, /EBADF/);
});
