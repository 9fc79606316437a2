/** Shares: what is read-only stays as it was, what is writable is the host's at once, and no way leads out of one. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Mount } from '../../plugins/engines/engine.ts';
import { ENGINES } from './engines.ts';
import { runJob, until } from './job.ts';
import type { JobResult } from './job.ts';
import { BLOB, SMALL_FILES, ShareTree } from './share-tree.ts';
import { StepFolder, prints } from './steps.ts';
import type { Step } from './steps.ts';

const PLACES = ['/share', '/share/below/deeper', '/usr/local/tool', '/usr/share/new/tool', '/etc/tool', '/tmp/tool', '/var/tmp/tool', '/run/tool', '/opt/a/b'];
/** Each has to fail; what comes through is printed. */
const refused = (...commands: string[]): string => commands.map((command) => `(${command}) 2>/dev/null && echo ${JSON.stringify(`came through: ${command}`)}`).join('\n') + '\ntrue';

const STEPS: readonly Step[] = [
  prints(
    'a read-only share cannot be written, changed, renamed, removed or mapped for writing',
    refused(
      'echo x >/ro/new', 'echo x >/ro/file', 'echo x >>/ro/file', 'truncate -s 0 /ro/file', 'chmod 777 /ro/file', 'chown 1:1 /ro/file', 'touch /ro/file', 'rm /ro/file', 'mv /ro/file /ro/other',
      'mkdir /ro/folder', 'rmdir /ro/empty', 'ln /ro/file /ro/second', 'ln -s file /ro/link', 'mkfifo /ro/pipe', 'setfattr -n user.a -v b /ro/file', 'rm /ro/one-file', 'echo x >/one-file', 'rm /one-file', 'mount -o remount,rw /ro && echo x >/ro/file',
      `python3 -c 'import mmap, os; fd = os.open("/ro/file", os.O_RDWR); m = mmap.mmap(fd, 0); m[0] = 88'`,
      `python3 -c 'import mmap, os; fd = os.open("/ro/file", os.O_RDONLY); m = mmap.mmap(fd, 0, prot=mmap.PROT_READ | mmap.PROT_WRITE); m[0] = 88'`,
      'echo x >/proc/self/root/ro/file', 'exec 3</ro/file; echo x >/proc/self/fd/3',
    ) + '; cat /ro/file /one-file',
    'from the host\none file\n',
  ),
  prints("the system's own folders neither", refused('echo x >/usr/x', 'rm /usr/bin/env', 'echo x >/etc/hosts', 'touch /etc/x', 'echo x >/x', 'mkdir /opt/x', 'mv /usr/bin /usr/nib', 'echo x >/bin/sh'), ''),
  prints('no way leads out of a share: .., links, /proc', refused('cat /ro/../secret', 'cat /rw/out/secret', 'cat /ro/out/secret', 'cat /rw/secret-link', 'ln -s ../../../../../../$SECRET /rw/planted && cat /rw/planted', 'cat /proc/self/cwd/../$SECRET', 'cat /proc/self/root/$SECRET', 'cd /ro && cat ../../../../../../../$SECRET', 'cat $SECRET') + '; ls -a /ro/.. | grep -cx "$(basename $(dirname $SECRET))" || true', '0\n'),
  prints('masked names and hidden paths are empty, at any depth, and stay', 'for share in ro rw; do cat /$share/deep/.mentu/* /$share/mentu.yaml /$share/hidden/* /$share/deep/er/mentu.yaml 2>/dev/null; ls -A /$share/deep/.mentu /$share/hidden | grep "[^:]$"; done; ' + refused('rm -rf /rw/deep/.mentu', 'rmdir /rw/hidden', 'mv /rw/mentu.yaml /rw/x', 'echo x >/rw/mentu.yaml', 'chmod 777 /rw/mentu.yaml', 'touch /rw/new && mv -T /rw/new /rw/mentu.yaml', 'echo x >/rw/deep/.mentu/x', 'mv /rw/deep /rw/moved && { cat /rw/moved/.mentu/*; code=$?; mv /rw/moved /rw/deep; exit $code; }', 'ln /rw/mentu.yaml /rw/second'), ''),
  { name: 'the names of what is masked are there, for programs that look', script: 'ls -A /ro/deep /rw/deep', check: ({ stdout }) => assert.equal(stdout.match(/\.mentu/g)?.length, 2) },
  prints('shares may lie in other shares, below /usr, /etc, /tmp, /run, /var and the home, and may be files', `cat ${PLACES.map((place) => `${place}/below/file`).join(' ')} ~/tool/below/file /etc/one-file /ro/one-file; ls -d /usr/local/bin /etc/hosts >/dev/null && echo beside`, 'content\n'.repeat(PLACES.length + 1) + 'one file\none file\nbeside\n'),
  prints('names of every kind', `cd "/rw/names"; cat $'odd \\n"name' 'é' -- '-dash' "$(printf '\\xff\\xfe')"; echo made >"$(printf 'back\\xe9')"; mkdir "$(printf '%0255d' 0)" && echo long`, 'odd\nutf8\ndash\nbytes\nlong\n'),
  { name: 'sizes, times, modes and owners are the files\' own', script: 'stat -c "%n %s %Y %a %u %g %F" /ro/blob /ro/dated /ro/script /rw/dated; /ro/script; readlink /ro/relative; cat /ro/relative', check: () => undefined },
  { name: 'large files are whole', script: 'sha256sum </ro/blob; cat /ro/blob >/rw/copy; cp /ro/blob /rw/copy2; dd if=/ro/blob bs=1 skip=1048573 count=6 2>/dev/null | od -An -tx1', check: () => undefined },
  prints('many small files, read and made', `ls /ro/many | wc -l; cat /ro/many/* | wc -c; mkdir /rw/made; cd /rw/made; for n in {1..${SMALL_FILES}}; do echo $n >$n; done; ls | wc -l; cat * | sort -n | tail -n 1; rm 1 && mv 2 3 && ls | wc -l`, `${SMALL_FILES}\n${SMALL_FILES * 8}\n${SMALL_FILES}\n${SMALL_FILES}\n${SMALL_FILES - 2}\n`),
  prints('what programs do to files in a writable share', 'cd /rw; echo a >f; echo b >>f; ln f g; ln -s f l; chmod 640 f; truncate -s 3 f; touch -d @1000000000 f; stat -c "%s %a %h %Y" g; flock f true && echo locked; mkdir -p d/e && mv d h && rmdir h/e h; exec 3<>f; rm f; printf x >&3; cat g; mv g i; cat l 2>/dev/null || echo dangling', '3 640 2 1000000000\nlocked\nx\nbdangling\n'),
  prints('mapped files', `python3 -c '\nimport mmap, os\nopen("/rw/mapped", "wb").write(b"a" * 8192)\nfd = os.open("/rw/mapped", os.O_RDWR)\nm = mmap.mmap(fd, 0)\nm[4096:4101] = b"hello"\nm.flush()\nprint(os.pread(fd, 5, 4096).decode(), m[0:1].decode())'`, 'hello a\n'),
  prints('git: a clone into a writable share, a commit in it', 'export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="*"; git clone -q /ro/repository.git /rw/clone && cd /rw/clone && git log --format=%s && echo more >more && git add more && git -c user.name=t -c user.email=t@demo.test commit -qm second && git log --format=%s | wc -l && git fsck --full 2>/dev/null && git status --short', 'first\n2\n'),
  prints('what the host changes while the job runs is seen at once, and the other way round', 'echo asked >/rw/talk/question; for _ in {1..1000}; do [ -s /rw/talk/answer ] && break; sleep 0.01; done; cat /rw/talk/answer /rw/talk/changing; ls -d /rw/talk/made-meanwhile; echo heard >/rw/talk/heard', 'answer\nafter\n/rw/talk/made-meanwhile\n'),
];

for (const engine of ENGINES) {
  describe(engine.name, () => {
    const tree = new ShareTree();
    const steps = new StepFolder(STEPS, 30);
    let result: JobResult;
    before(async () => {
      tree.fill();
      const mount = (source: string, destination: string, readOnly = true): Mount => ({ source: tree.path(source), destination, readOnly });
      const home = engine.uid === 0 ? '/root' : '/home/user';
      result = await runJob(engine, {
        command: steps.command,
        args: steps.args,
        env: { SECRET: tree.path('secret') },
        limitMs: 40_000 * engine.patience,
        hiddenPaths: [tree.path('ro/hidden'), tree.path('rw/hidden')],
        mounts: [
          ...steps.mounts, mount('ro', '/ro'), mount('rw', '/rw', false),
          ...[...PLACES, `${home}/tool`].map((place) => mount('nested:with,odd chars', place)),
          ...['/one-file', '/etc/one-file', '/ro/one-file'].map((place) => mount('one-file', place)),
        ],
        running: async () => {
          await until('the question', () => tree.has('rw/talk/question'), 40_000 * engine.patience);
          writeFileSync(tree.path('rw/talk/changing'), 'after\n');
          mkdirSync(tree.path('rw/talk/made-meanwhile'));
          writeFileSync(tree.path('rw/talk/answer'), 'answer\n');
        },
      });
    });
    after(() => {
      steps.close();
      tree.close();
    });

    for (const { name, check } of STEPS) test(name, () => check(steps.result(name)));

    test('the guest has come to its end', () => assert.deepEqual([result.exit.code, result.stderr], [0, '']));

    test('what the host sees of a file, the guest sees', () => {
      const shown = steps.result("sizes, times, modes and owners are the files' own").stdout.split('\n');
      for (const [index, file] of ['ro/blob', 'ro/dated', 'ro/script', 'rw/dated'].entries()) {
        const { size, mtimeMs, mode, uid, gid } = statSync(tree.path(file));
        assert.equal(shown[index], `/${file} ${size} ${Math.floor(mtimeMs / 1000)} ${(mode & 0o7777).toString(8)} ${uid} ${gid} regular file`);
      }
      assert.deepEqual(shown.slice(4), ['ran', 'file', 'from the host', '']);
    });

    test('what the guest has made is on the host, whole', () => {
      const { stdout } = steps.result('large files are whole');
      assert.deepEqual(stdout, `${tree.digest('ro/blob')}  -\n ${readFileSync(tree.path('ro/blob')).subarray(1048573, 1048579).toString('hex').replace(/..(?=.)/g, '$& ')}\n`);
      for (const copy of ['rw/copy', 'rw/copy2']) assert.deepEqual([statSync(tree.path(copy)).size, tree.digest(copy)], [BLOB, tree.digest('ro/blob')], copy);
      assert.equal(readFileSync(tree.path('rw/talk/heard'), 'utf8'), 'heard\n');
      assert.equal(readFileSync(tree.path('rw/made/7'), 'utf8'), '7\n');
      assert.equal(readFileSync(tree.path('rw/mapped')).toString('latin1', 4096, 4101), 'hello');
      assert.equal(readFileSync(Buffer.concat([Buffer.from(tree.path('rw/names/back')), Buffer.of(0xe9)]), 'utf8'), 'made\n');
    });

    test('nothing of the host has changed that was not the guest\'s to change', () => assert.deepEqual(tree.changed(), []));
  });
}
