/** A folder as a root: whatever its links say, nothing outside it is met. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { RootTree } from '../../../../plugins/engines/rootfs/tree.ts';
import { TestFolder } from '../../../stage/image.ts';

const folder = new TestFolder();
after(() => folder.close());

const root = folder.at('root');
mkdirSync(folder.at('root/etc/ssl'), { recursive: true });
folder.file('secret', 'of the host');
folder.file('root/etc/passwd', "the root's own");
const link = (target: string, name: string): void => symlinkSync(target, folder.at('root', name));
link('/etc', 'absolute');
link('../../../../../../etc', 'climbing');
link('absolute/ssl', 'chained');
link('/etc/passwd', 'file');
link('/nowhere/at/all', 'dangling');
link('/', 'top');
link('..', 'etc/ssl/up');
link('circle-b', 'circle-a');
link('circle-a', 'circle-b');
link(folder.at('secret'), 'secret');
link('../secret', 'beside');
link('/proc/self/root', 'etc/magic');

const tree = new RootTree(root);

test('links lead where a process with that root would be led', () => {
  const cases: Readonly<Record<string, string>> = {
    '/etc/passwd': 'etc/passwd',
    '/absolute/passwd': 'etc/passwd',
    '/climbing/passwd': 'etc/passwd',
    '/chained/up/passwd': 'etc/passwd',
    '/chained/up/../etc/./ssl//up/passwd': 'etc/passwd',
    '/file': 'etc/passwd',
    '/../../etc/../etc/passwd': 'etc/passwd',
    '/dangling/x': 'nowhere/at/all/x',
    '/top/top/etc': 'etc',
    '/top': '',
    '/': '',
    '/secret': folder.at('secret').slice(1),
    '/beside': folder.at('secret').slice(1),
    '/etc/magic/etc': 'proc/self/root/etc',
    '/not/there/../here': 'not/here',
  };
  for (const [path, place] of Object.entries(cases)) assert.equal(tree.resolve(path), place, path);
  assert.equal(tree.resolve('/file', { last: false }), 'file');
  assert.equal(tree.resolve('/absolute/ssl/up', { last: false }), 'etc/ssl/up');
});

test('what a kernel makes of each path with that root is the same', () => {
  const names = ['absolute/ssl', 'climbing', 'chained/up', 'top/top/etc', 'etc/ssl/up/ssl/..', 'top'];
  const script = `import os, sys\nos.chroot(sys.argv[1]); os.chdir('/')\nfor p in sys.argv[2:]: os.chdir('/' + p); print(os.getcwd())`;
  const stdout = execFileSync('unshare', ['--user', '--map-root-user', 'python3', '-c', script, root, ...names], { encoding: 'utf8' });
  assert.deepEqual(names.map((name) => `/${tree.resolve(name)}`), stdout.trim().split('\n'));
});

test('links in a circle are refused by name', () => {
  assert.throws(() => tree.resolve('/circle-a/x'), { code: 'engine_rootfs_refused', message: /in a circle from \/circle-a\/x/ });
});

test("only the root's own files are read, and only regular ones within the limit", () => {
  for (const path of ['/etc/passwd', '/climbing/passwd', '/file', '/chained/up/passwd']) assert.equal(tree.read(path, 1000)?.toString(), "the root's own", path);
  for (const path of ['/secret', '/beside', '/../secret', '/etc', '/not-there', '/etc/passwd/x', '/etc/magic/etc/passwd']) assert.equal(tree.read(path, 1000), null, path);
  assert.equal(tree.read('/etc/passwd', 3), null);
  execFileSync('mkfifo', [folder.at('root/fifo')]);
  assert.equal(tree.read('/fifo', 1000), null);
  assert.equal(tree.exists('/beside'), false);
  assert.equal(tree.exists('/file'), true);
  assert.deepEqual(tree.list('/climbing').sort(), ['magic', 'passwd', 'ssl']);
  assert.deepEqual(tree.list('/beside'), []);
});

test('a folder that becomes a link to the outside between looking and opening is not followed', () => {
  mkdirSync(folder.at('root/swapped'));
  mkdirSync(folder.at('outside'));
  folder.file('outside/file', 'of the host');
  writeFileSync(folder.at('root/swapped/file'), 'inside');
  class Swapping extends RootTree {
    override resolve(path: string): string {
      const place = super.resolve(path);
      renameSync(folder.at('root/swapped'), folder.at('root/before'));
      symlinkSync(folder.at('outside'), folder.at('root/swapped'));
      return place;
    }
  }
  assert.equal(new Swapping(root).read('/swapped/file', 1000), null);
  assert.equal(new RootTree(root).read('/before/file', 1000)?.toString(), 'inside');
});

test('names that are not UTF-8 are found', () => {
  execFileSync('bash', ['-c', `mkdir "$1"/$'caf\\xe9' && ln -s $'caf\\xe9' "$1/coffee"`, 'bash', root]);
  assert.equal(tree.resolve('/coffee/x'), 'caf\u00e9/x');
  assert.ok(tree.stat('caf\u00e9')?.isDirectory());
});
