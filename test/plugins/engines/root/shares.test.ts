import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MentuError } from '../../../../core/index.ts';
import { walkShare } from '../../../../plugins/engines/root/shares.ts';

const NAMES = ['.mentu', 'mentu.yaml'];
let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'shares-test-'));
});
after(() => rmSync(folder, { recursive: true }));

test('finds masked names, sockets and FIFOs at any depth, and follows no link', async () => {
  const share = join(folder, 'share');
  mkdirSync(join(share, 'a', 'b', '.mentu', 'jobs'), { recursive: true });
  mkdirSync(join(share, 'mentu.yaml')); // a folder of this name is masked as well
  writeFileSync(join(share, 'a', 'mentu.yaml'), '');
  writeFileSync(join(share, 'a', 'mentu.yaml.orig'), '');
  symlinkSync('/etc', join(share, 'a', 'outside'));
  symlinkSync('..', join(share, 'a', 'loop'));
  symlinkSync('/etc/passwd', join(share, 'a', 'b', 'mentu.yaml'));
  execFileSync('mkfifo', [join(share, 'a', 'fifo')]);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(share, 'a', 'socket'), resolve));
  const { masks, sockets, maskedLinks } = await walkShare(share, NAMES);
  server.close();
  assert.deepEqual(masks.toSorted((x, y) => (x.path < y.path ? -1 : 1)), [
    { path: 'a/b/.mentu', directory: true },
    { path: 'a/mentu.yaml', directory: false },
    { path: 'mentu.yaml', directory: true },
  ]);
  assert.deepEqual(sockets.toSorted(), ['a/fifo', 'a/socket']);
  assert.deepEqual(maskedLinks, ['a/b/mentu.yaml']);
});

test('names that are not UTF-8 are found, byte by byte', async () => {
  const share = join(folder, 'bytes');
  mkdirSync(Buffer.concat([Buffer.from(`${share}/`), Buffer.from([0xff, 0xfe, 0xe9]), Buffer.from('/.mentu')]), { recursive: true });
  const { masks } = await walkShare(share, NAMES);
  assert.deepEqual(masks, [{ path: '\xff\xfe\xe9/.mentu', directory: true }]);
});

test('a share beyond the limits is refused by name', async () => {
  const share = join(folder, 'large');
  mkdirSync(share);
  for (let index = 0; index < 20; index++) writeFileSync(join(share, `file-${index}`), '');
  for (const name of ['one', 'two', 'three']) mkdirSync(join(share, name, '.mentu'), { recursive: true });
  const refusedAs = (code: string) => (error: unknown): boolean => error instanceof MentuError && error.code === code && error.message.includes(share);
  await assert.rejects(walkShare(share, NAMES, { entries: 10, covers: 10 }), refusedAs('engine_share_too_large'));
  await assert.rejects(walkShare(share, NAMES, { entries: 100, covers: 2 }), refusedAs('engine_share_too_many_covers'));
});

test('a folder that vanishes is passed over, a share that cannot be read is not', async () => {
  assert.deepEqual(await walkShare(join(folder, 'nowhere'), NAMES), { masks: [], sockets: [], maskedLinks: [] });
  const file = join(folder, 'a-file');
  writeFileSync(file, '');
  await assert.rejects(walkShare(file, NAMES), /ENOTDIR/);
});
