import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

function mentu(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'cli/bin/mentu'), args, { encoding: 'utf8', timeout: 20_000 });
  return { code: status, stdout, stderr };
}

test('prints its version and its help on stdout', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  assert.deepEqual(mentu('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, stdout } = mentu(...args);
    assert.equal(code, 0);
    assert.match(stdout, /Usage: mentu COMMAND\n[^]*\n {2}cir {2}/);
  }
  assert.match(mentu('cir', '--help').stdout, /Usage: mentu cir COMMAND\n[^]*\n {2}ingest {2,}\w/);
});

test('every command has help, with its flags and exit codes', () => {
  for (const command of ['query', 'search', 'capture', 'stats', 'ingest']) {
    const { code, stdout, stderr } = mentu('cir', command, '--help');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`Usage: mentu cir ${command} \\[FLAGS\\]`));
    assert.match(stdout, /Exit codes: 0/);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 140, line);
  }
});

test('without a command: help on stderr and 2; with an unknown one the nearest', () => {
  const none = mentu('cir');
  assert.deepEqual([none.code, none.stdout], [2, '']);
  assert.match(none.stderr, /Usage: mentu cir COMMAND/);
  const slip = mentu('cir', 'qurey');
  assert.deepEqual([slip.code, slip.stdout], [2, '']);
  assert.match(slip.stderr, /^mentu cir: There is no command "qurey"\. \[unknown_command\] Did you mean "query"\? See "mentu cir --help"\.\n$/);
  assert.match(mentu('toString').stderr, /There is no command "toString"/);
});
