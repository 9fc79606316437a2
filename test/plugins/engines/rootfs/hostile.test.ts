/** Archives that were made to do harm: not a file outside the folder is made, changed, read or removed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { after, beforeEach, test } from 'node:test';
import { LayeredFolder } from '../../../../plugins/engines/rootfs/layer.ts';
import type { UnpackLimits } from '../../../../plugins/engines/rootfs/layer.ts';
import { TestFolder, tarOf } from '../../../stage/image.ts';
import type { TarFile } from '../../../stage/image.ts';

const LIMITS: UnpackLimits = { entries: 1000, bytes: 1e8 };
const folder = new TestFolder();
after(() => folder.close());

const root = folder.at('jail', 'root');
let before = '';
/** All that lies beside the root, with its content and times. */
const surroundings = (): string => execFileSync('bash', ['-c', 'cd "$1"; find . -path ./jail/root -prune -o -printf "%p %y %m %n %s %T@\\n" | sort; cat outside/passwd victim', 'bash', folder.path], { encoding: 'utf8' });

beforeEach(() => {
  execFileSync('rm', ['-rf', folder.at('jail'), folder.at('outside'), folder.at('victim')]);
  mkdirSync(root, { recursive: true });
  mkdirSync(folder.at('outside'));
  folder.file('outside/passwd', 'of the host');
  folder.file('victim', 'of the host');
  before = surroundings();
});

async function lay(files: readonly TarFile[], limits = LIMITS): Promise<string | null> {
  const target = new LayeredFolder(root, limits);
  const tar = await tarOf(files);
  async function* content(): AsyncGenerator<Buffer> {
    yield tar;
  }
  return target.lay(content()).then(() => (target.finish(), null), (error: Error) => error.message);
}

/** Tries the same with every way out that a link can name. */
const WAYS = ['..', '../..', '../../outside', '/', '/../../../../..', folder.path, folder.at('outside'), '/proc/self/cwd', '/proc/self/root'];

test('".." in a path, in a hard link or behind a whiteout is refused', async () => {
  const entries: TarFile[] = [
    { name: '../victim', content: 'x' }, { name: 'a/../../victim', content: 'x' }, { name: '/../victim', content: 'x' }, { name: 'a/..', type: 'directory' }, { name: '..', type: 'symlink', linkname: '/' },
    { name: 'link', type: 'link', linkname: '../../victim' }, { name: 'link', type: 'link', linkname: '..' }, { name: 'sub/../../.wh.victim' }, { name: '../.wh..wh..opq' },
  ];
  for (const entry of entries) assert.match((await lay([entry])) ?? 'laid', /has a "\.\."/, JSON.stringify(entry));
  for (const name of ['.wh...', '.wh..', 'a/.wh.', '.wh.']) assert.match((await lay([{ name }])) ?? 'laid', /takes away no name/, name);
  assert.equal(surroundings(), before);
});

test('absolute paths are paths of the root', async () => {
  assert.equal(await lay([{ name: folder.at('victim'), content: 'x' }, { name: '/link', type: 'link', linkname: folder.at('victim') }, { name: '/etc/passwd', content: 'mine' }]), null);
  assert.equal(readFileSync(`${root}/etc/passwd`, 'utf8'), 'mine');
  assert.equal(surroundings(), before);
});

test('what is written through a link lands in the root', async () => {
  for (const [index, way] of WAYS.entries()) {
    const link = `way${index}`;
    const failure = await lay([
      { name: link, type: 'symlink', linkname: way }, { name: `${link}/passwd-${index}`, content: 'mine' }, { name: `${link}/victim`, content: 'mine' }, { name: `${link}/outside/passwd`, content: 'mine' },
      { name: `${link}/made/`, mode: 0o777 }, { name: `${link}/dev`, type: 'character-device' },
    ]);
    assert.equal(failure, null, way);
  }
  assert.ok(existsSync(`${root}/passwd-0`), 'it is in the root itself');
  assert.equal(surroundings(), before);
});

test('a folder that becomes a link after something was written to it, and is written to again', async () => {
  for (const [index, way] of WAYS.entries()) {
    const name = `d${index}`;
    const files: TarFile[] = [{ name: `${name}/deep/` }, { name: `${name}/deep/x` }, { name, type: 'symlink', linkname: way }, { name: `${name}/passwd`, content: 'mine' }, { name: `${name}/deep/passwd`, content: 'mine' }, { name: `${name}/outside/passwd`, content: 'mine' }];
    assert.equal(await lay(files), null, way);
    assert.equal(await lay([{ name: `e${index}/x` }, { name: `.wh.e${index}` }, { name: `e${index}`, type: 'symlink', linkname: way }, { name: `e${index}/victim`, content: 'mine' }]), null, way);
  }
  assert.equal(surroundings(), before);
});

test('what is taken away through a link is taken from the root', async () => {
  for (const [index, way] of WAYS.entries()) {
    const link = `way${index}`;
    assert.equal(await lay([{ name: link, type: 'symlink', linkname: way }, { name: `${link}/.wh.victim` }, { name: `${link}/.wh.passwd` }, { name: `${link}/.wh..wh..opq` }, { name: `${link}/outside/.wh..wh..opq` }]), null, way);
  }
  assert.equal(surroundings(), before);
});

test('a link that is replaced is not followed: not by a file, a folder, a mode, a time or a removal', async () => {
  for (const [index, way] of [...WAYS, folder.at('victim')].entries()) {
    const link = (kind: string): TarFile => ({ name: `${kind}${index}`, type: 'symlink', linkname: way });
    const files: TarFile[] = [
      link('file'), { name: `file${index}`, content: 'mine', mode: 0o777 }, link('folder'), { name: `folder${index}/`, mode: 0o777 }, link('gone'), { name: `.wh.gone${index}` }, link('link'), { name: `link${index}`, type: 'symlink', linkname: 'x' },
      link('hard'), { name: `second${index}`, type: 'link', linkname: `hard${index}` }, { name: `second${index}`, content: 'mine' },
    ];
    assert.equal(await lay(files), null, way);
    assert.ok(statSync(`${root}/file${index}`).isFile());
  }
  assert.equal(surroundings(), before);
});

test('a hard link names a file of the root, whatever links are on the way', async () => {
  symlinkSync(folder.at('outside'), `${root}/out`);
  for (const linkname of [folder.at('victim'), 'out/passwd', '/out/passwd', '/proc/self/root/etc/passwd', '']) {
    assert.match((await lay([{ name: 'hard', type: 'link', linkname }])) ?? 'laid', /hard link to .* not there/, linkname);
  }
  assert.match((await lay([{ name: 'd/' }, { name: 'hard', type: 'link', linkname: 'd' }])) ?? 'laid', /a folder/);
  assert.equal(existsSync(`${root}/hard`), false);
  assert.equal(surroundings(), before);
});

test('a file where a folder has to be, links in a circle, and paths longer than any are errors with the name', async () => {
  assert.match((await lay([{ name: 'f' }, { name: 'f/in' }])) ?? 'laid', /^at "f\/in": "\/f" is no folder$/);
  assert.match((await lay([{ name: 'a', type: 'symlink', linkname: 'b' }, { name: 'b', type: 'symlink', linkname: 'a' }, { name: 'a/x' }])) ?? 'laid', /^at "a\/x": .*circle/);
  assert.match((await lay([{ name: 'd/'.repeat(3000) }])) ?? 'laid', /ENAMETOOLONG/);
  assert.match((await lay([{ name: 'x', type: 'symlink', linkname: '' }])) ?? 'laid', /leads to no path/);
});

test('more entries or bytes than are allowed, said or real', async () => {
  const many = Array.from({ length: 30 }, (_, index) => ({ name: `${index}` }));
  assert.match((await lay(many, { ...LIMITS, entries: 20 })) ?? 'laid', /more than 20 files/);
  assert.match((await lay([{ name: 'huge', content: 'x'.repeat(2000) }], { ...LIMITS, bytes: 1000 })) ?? 'laid', /^at "huge": it is said to have 2000 bytes/);
});

test('kinds that images do not have are named: files with holes, and unknown ones', async () => {
  execFileSync('truncate', ['-s', '10M', folder.at('jail/holes')]);
  for (const format of ['gnu', 'pax']) {
    const tar = execFileSync('tar', ['--sparse', `--format=${format}`, '-C', folder.at('jail'), '-cf', '-', 'holes']);
    async function* content(): AsyncGenerator<Buffer> {
      yield tar;
    }
    await assert.rejects(new LayeredFolder(root, LIMITS).lay(content()), /holes|of a kind that images do not have/, format);
  }
  assert.ok(!readdirSync(root).includes('holes'));
});
