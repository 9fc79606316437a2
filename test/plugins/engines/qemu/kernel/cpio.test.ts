/** Archives against GNU cpio. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { cpioArchive, cpioContents, type CpioEntry } from '../../../../../plugins/engines/qemu/kernel/cpio.ts';

const ENTRIES: readonly CpioEntry[] = [
  { name: 'bin', kind: 'folder' },
  { name: 'secret', kind: 'folder', mode: 0o700 },
  { name: 'bin/program', kind: 'file', mode: 0o755, data: Buffer.alloc(4099, 'p') },
  { name: 'bin/sh', kind: 'link', mode: 0o777, data: 'program' },
  { name: 'empty', kind: 'file' },
  { name: 'umlaut-ä', kind: 'file', data: 'ä' },
  { name: 'console', kind: 'device', mode: 0o600, device: [5, 1] },
];

function cpio(args: readonly string[], input: Buffer): string {
  const { status, stdout, stderr } = spawnSync('cpio', args, { input, encoding: 'utf8', timeout: 10_000, env: { LC_ALL: 'C.UTF-8', PATH: '/usr/bin:/bin', TZ: 'UTC' } });
  assert.equal(status, 0, stderr);
  return stdout;
}

test('GNU cpio lists every entry with its kind, mode, owner, size and time', () => {
  const listed = cpio(['-itv', '--quiet', '--numeric-uid-gid'], cpioArchive(ENTRIES)).trim().split('\n').map((line) => line.replace(/ +/g, ' '));
  assert.deepEqual(listed, [
    'drwxr-xr-x 2 0 0 0 Jan 1 1970 bin',
    'drwx------ 2 0 0 0 Jan 1 1970 secret',
    '-rwxr-xr-x 1 0 0 4099 Jan 1 1970 bin/program',
    'lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin/sh -> program',
    '-rw-r--r-- 1 0 0 0 Jan 1 1970 empty',
    '-rw-r--r-- 1 0 0 2 Jan 1 1970 umlaut-ä',
    'crw------- 1 0 0 5, 1 Jan 1 1970 console',
  ]);
});

test('GNU cpio gives the contents back', () => {
  assert.equal(cpio(['-i', '--quiet', '--to-stdout', 'bin/program'], cpioArchive(ENTRIES)), 'p'.repeat(4099));
  assert.equal(cpio(['-i', '--quiet', '--to-stdout', 'umlaut-ä'], cpioArchive(ENTRIES)), 'ä');
});

test('the same entries are the same bytes, in whole pages', () => {
  assert.deepEqual(cpioArchive(ENTRIES), cpioArchive(ENTRIES));
  assert.equal(cpioArchive(ENTRIES).length % 4096, 0);
  assert.deepEqual(cpio(['-t', '--quiet'], cpioArchive([])), '');
});

test('our own archives are read, and damaged ones refused', () => {
  const archive = cpioArchive(ENTRIES);
  const contents = cpioContents(archive);
  assert.deepEqual([...contents.keys()], ENTRIES.map(({ name }) => Buffer.from(name).toString('latin1')));
  assert.equal(contents.get('bin/program')?.toString(), 'p'.repeat(4099));
  for (let length = 0; length < archive.length - 4700; length += 61) assert.throws(() => cpioContents(archive.subarray(0, length)), /no end/);
  assert.throws(() => cpioContents(Buffer.alloc(4096, 'x')), /no end/);
});
