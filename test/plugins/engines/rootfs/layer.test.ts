/** Layers laid into a folder: what each adds, replaces and takes away. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { after, test } from 'node:test';
import { LayeredFolder } from '../../../../plugins/engines/rootfs/layer.ts';
import { TestFolder, tarOf, tarOfFolder } from '../../../stage/image.ts';
import type { TarFile } from '../../../stage/image.ts';

const folder = new TestFolder();
after(() => folder.close());
let count = 0;

/** Lays layers of these files; gives a reader of the result. */
async function laid(...layers: (readonly TarFile[] | Buffer)[]): Promise<{ at: (...path: string[]) => string; text: (path: string) => string; list: (path: string) => string[] }> {
  const root = folder.at(`${count++}`);
  mkdirSync(root);
  const target = new LayeredFolder(root, { entries: 1000, bytes: 1e9 });
  for (const layer of layers) await target.lay(chunks(Buffer.isBuffer(layer) ? layer : await tarOf(layer)));
  target.finish();
  const at = (...path: string[]): string => [root, ...path].join('/');
  return { at, text: (path) => readFileSync(at(path), 'utf8'), list: (path) => readdirSync(at(path)).sort() };
}

/** In pieces that fall anywhere. */
async function* chunks(tar: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < tar.length; at += 1237) yield tar.subarray(at, at + 1237);
}

test('later layers replace files, and folders keep what is in them', async () => {
  const { text, list, at } = await laid(
    [{ name: 'a/' }, { name: 'a/one', content: '1' }, { name: 'a/two', content: '2' }, { name: 'b', content: 'file' }, { name: 'c/' }, { name: 'c/deep/' }, { name: 'c/deep/x', content: 'x' }],
    [{ name: './a/', mode: 0o750 }, { name: 'a/one', content: 'changed' }, { name: 'b/' }, { name: 'b/in', content: 'folder now' }, { name: 'c', content: 'file now' }],
  );
  assert.deepEqual([text('a/one'), text('a/two'), text('b/in'), text('c')], ['changed', '2', 'folder now', 'file now']);
  assert.equal(statSync(at('a')).mode & 0o777, 0o750);
  assert.deepEqual(list(''), ['a', 'b', 'c']);
});

test('whiteouts take away what lower layers have, and nothing of their own', async () => {
  const { list, text } = await laid(
    [{ name: 'a' }, { name: 'b/x' }, { name: 'b/y/z' }, { name: 'keep', content: 'kept' }, { name: 'opaque/old/deep' }, { name: 'opaque/both/old' }, { name: 'opaque/file', content: 'old' }],
    [
      { name: '.wh.a' }, { name: 'b/.wh.x' }, { name: 'b/.wh.y' }, { name: '.wh.not-there' }, { name: 'nowhere/.wh.x' },
      { name: 'opaque/both/new' }, { name: 'opaque/file', content: 'new' }, { name: 'opaque/.wh..wh..opq' }, { name: 'opaque/later' },
      { name: 'again', content: 'added' }, { name: '.wh.again' }, { name: '.wh..wh.plnk/' }, { name: '.wh..wh.aufs', content: 'x' },
    ],
    [{ name: '.wh.keep' }, { name: 'keep/', mode: 0o755 }, { name: 'keep/in', content: 'new' }],
  );
  assert.deepEqual(list(''), ['again', 'b', 'keep', 'opaque']);
  assert.deepEqual([list('b'), list('keep'), list('opaque'), list('opaque/both')], [[], ['in'], ['both', 'file', 'later'], ['new']]);
  assert.equal(text('opaque/file'), 'new');
});

test('hard links share their content, also with a lower layer, until one of them is replaced', async () => {
  const { text, at } = await laid(
    [{ name: 'a', content: 'content' }, { name: 'link', type: 'link', linkname: './a' }, { name: 'soft', type: 'symlink', linkname: 'a' }, { name: 'to-soft', type: 'link', linkname: 'soft' }],
    [{ name: 'd/second', type: 'link', linkname: '/a' }, { name: 'a', content: 'replaced' }, { name: 'd/self', content: 'self' }, { name: 'd/self', type: 'link', linkname: 'd/self' }],
  );
  assert.deepEqual([text('a'), text('link'), text('d/second'), text('d/self')], ['replaced', 'content', 'content', 'self']);
  assert.equal(statSync(at('link')).ino, statSync(at('d/second')).ino);
  assert.equal(readlinkSync(at('to-soft')), 'a');
});

test('symbolic links are kept as they are, and later layers write through those to folders', async () => {
  const { text, at, list } = await laid(
    [{ name: 'usr/bin/' }, { name: 'bin', type: 'symlink', linkname: 'usr/bin' }, { name: 'var/run', type: 'symlink', linkname: '/run' }, { name: 'opt', type: 'symlink', linkname: '/made/by/link' }],
    [{ name: 'bin/tool', content: 'tool' }, { name: 'var/run/pid', content: '1' }, { name: 'opt/x', content: 'x' }, { name: 'usr/bin/other' }, { name: 'bin/.wh.other' }],
    [{ name: 'bin/.wh.tool' }, { name: 'usr/bin/third', content: '3' }],
  );
  assert.deepEqual([readlinkSync(at('bin')), readlinkSync(at('var/run'))], ['usr/bin', '/run']);
  assert.deepEqual([list('usr/bin'), text('run/pid'), text('made/by/link/x')], [['other', 'third'], '1', 'x']);
});

test('modes: the owner may read and write, and no bit makes a program of it run as another', async () => {
  const source = folder.at('closed');
  execFileSync('bash', ['-c', 'mkdir -p "$1"/shut && touch "$1"/closed', 'bash', source]);
  const { at } = await laid(
    execFileSync('tar', ['--mode=0', '-C', source, '-cf', '-', 'closed', 'shut']),
    [{ name: 'shut/in', mode: 0o444 }, { name: 'su', mode: 0o6755 }, { name: 'tmp/', mode: 0o1777 }, { name: 'shared/', mode: 0o2775 }, { name: 'tool', mode: 0o755 }, { name: './', mode: 0o711 }],
  );
  const mode = (path: string): string => (statSync(at(path)).mode & 0o7777).toString(8);
  assert.deepEqual(['closed', 'shut', 'shut/in', 'su', 'tmp', 'shared', 'tool', ''].map(mode), ['600', '700', '644', '755', '1777', '775', '755', '711']);
  assert.equal(statSync(at('tool')).uid, process.getuid!());
});

test('times are those of the archive, also of folders and links, and times that no file can have do no harm', async () => {
  const { at } = await laid(
    [{ name: 'd/', mtime: new Date(1e12) }, { name: 'd/f', content: 'x', mtime: new Date(1.1e12) }, { name: 'd/l', type: 'symlink', linkname: 'f', mtime: new Date(1.2e12) }, { name: 'odd', pax: { mtime: '1e300' } }, { name: 'nan', pax: { mtime: 'never' } }],
    [{ name: 'd/g' }],
  );
  assert.deepEqual(['d', 'd/f', 'd/l'].map((path) => lstatSync(at(path)).mtimeMs), [1e12, 1.1e12, 1.2e12]);
  assert.ok(existsSync(at('odd')) && existsSync(at('nan')));
});

test('devices and FIFOs are left out, and what they replace is gone', async () => {
  const { list } = await laid(
    [{ name: 'file', content: 'x' }],
    [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }, { name: 'disk', type: 'block-device', devmajor: 8, devminor: 0 }, { name: 'file', type: 'fifo' }, { name: 'last', content: 'x' }],
  );
  assert.deepEqual(list(''), ['last']);
});

test("GNU tar's and pax's long names, names that are not UTF-8, and large numbers", async () => {
  const source = folder.at('source');
  const long = `${'long-folder/'.repeat(30)}file-${'x'.repeat(200)}`;
  execFileSync('bash', ['-c', `mkdir -p "$1/$(dirname "$2")" && echo long >"$1/$2" && ln -s "$2" "$1/soft" && ln "$1/$2" "$1/hard" && echo raw >"$1/"$'caf\\xe9' && echo utf8 >"$1/café" && ln -s $'caf\\xe9' "$1/link"`, 'bash', source, long]);
  for (const format of ['gnu', 'pax']) {
    const tar = execFileSync('tar', [`--format=${format}`, '-C', source, '-cf', '-', '.']);
    const { text, at } = await laid(tar);
    assert.deepEqual([text(long), text('hard'), text('soft'), text('café')], ['long\n', 'long\n', 'long\n', 'utf8\n'], format);
    // pax is UTF-8 by its definition; what is not is there by another name.
    if (format === 'pax') assert.equal(text('caf\ufffd'), 'raw\n');
    else assert.equal(execFileSync('diff', ['-r', '--no-dereference', source, at()], { encoding: 'utf8' }), '');
  }
  const { text } = await laid(await tarOf([{ name: 'big', uid: 2 ** 31, gid: 2 ** 40, content: 'x' }]));
  assert.equal(text('big'), 'x');
});

test('an empty layer, and one without a single byte', async () => {
  const { list } = await laid([{ name: 'a' }], Buffer.alloc(1024), Buffer.alloc(0), [{ name: 'b' }]);
  assert.deepEqual(list(''), ['a', 'b']);
});

test('what system tar has packed comes out as it went in', async () => {
  const source = folder.at('tree');
  execFileSync('cp', ['-rP', '--preserve=mode,links', '/etc/ssl/certs', source]);
  const { at } = await laid(tarOfFolder(source));
  assert.equal(execFileSync('diff', ['-r', '--no-dereference', source, at()], { encoding: 'utf8' }), '');
});
