/** Packages by apt: as the archive of this machine has them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Debian } from '../../../../../plugins/engines/qemu/setup/debian.ts';
import { runCommand } from '../../../../../plugins/engines/qemu/setup/system-command.ts';

const PROGRAM = join(import.meta.dirname, 'unpacking-program.ts');

function home(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mentu-debian-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a package is fetched, held against its hash, unpacked, and gone afterwards', async (t) => {
  const folder = home(t);
  const said: string[] = [];
  await Debian.within(folder, (sentence) => said.push(sentence), async (debian) => {
    const unpacked = await debian.unpack('busybox-static');
    assert.ok(['bin/busybox', 'usr/bin/busybox'].some((path) => existsSync(join(unpacked.folder, path))));
    assert.match(unpacked.version, /^1:1\.\d+/);
    assert.match(unpacked.trust, /apt fetched http\S+busybox-static_\S+\.deb and held it against the signed lists of that archive: its SHA-256 is [0-9a-f]{64}\./);
    assert.ok(unpacked.folder.startsWith(folder));
  });
  assert.deepEqual(readdirSync(folder), []);
});

test('a user without root, on a machine without lists of packages, gets it as well', (t) => {
  const folder = home(t);
  const view = ['--dev-bind', '/', '/', '--unshare-user', '--uid', '1000', '--tmpfs', '/var/lib/apt/lists'];
  const { status, stdout, stderr } = spawnSync('bwrap', [...view, process.execPath, PROGRAM, folder], { encoding: 'utf8', timeout: 90_000 });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^Fetched the lists of packages anew \(apt-get update\)\.\nbusybox-static 1:1\.\d+/);
  assert.deepEqual(readdirSync(folder), []);
});

test('a package that is not there is told in the words of apt, after one look at new lists', async (t) => {
  const folder = home(t);
  const said: string[] = [];
  await assert.rejects(
    Debian.within(folder, (sentence) => said.push(sentence), (debian) => debian.unpack('no-package-has-this-name')),
    /apt-get: .*Unable to locate package no-package-has-this-name/,
  );
  assert.deepEqual(said, ['Fetched the lists of packages anew (apt-get update).']);
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(await Debian.knows('no-package-has-this-name'), false);
  assert.equal(await Debian.knows('busybox-static'), true);
});

test('a program that takes too long is ended, and told', async () => {
  const began = performance.now();
  await assert.rejects(runCommand('/bin/sh', ['-c', 'echo waiting >&2; exec sleep 60'], { limitMs: 300 }), /sh: waiting \(took more than 0\.3 s\)/);
  assert.ok(performance.now() - began < 5_000);
  await assert.rejects(runCommand('/bin/sh', ['-c', 'trap "" TERM; while :; do sleep 1; done'], { limitMs: 100, graceMs: 300 }), /took more than/);
  await assert.rejects(runCommand('/nowhere/program', [], { limitMs: 1000 }), /ENOENT/);
  assert.equal(await runCommand('/bin/sh', ['-c', 'echo out; echo err >&2'], { limitMs: 5000 }), 'out\n');
});
