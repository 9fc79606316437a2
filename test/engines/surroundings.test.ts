/** What a command finds around it: its arguments, variables, place, user, clock, devices; and nothing of the host's. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ENGINES } from './engines.ts';
import { runJob } from './job.ts';
import type { JobResult } from './job.ts';
import { StepFolder, prints } from './steps.ts';
import type { Step } from './steps.ts';

const ARGUMENTS = ['-n', '--', '', 'a b', "it's", '$HOME', 'é', 'x=y', '*', 'new\nline', '"'];
const OWN = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'PWD', 'OLDPWD', 'SHLVL', '_', 'GREETING', 'LINES_OF', 'odd.name'];

const STEPS: readonly Step[] = [
  prints('arguments are as they were given', `printf '%s|' "$@"`, ARGUMENTS.map((argument) => `${argument}|`).join('')),
  {
    name: "the variables are the profile's and the engine's, and none is the host's",
    script: 'env -0',
    check: ({ stdout }) => {
      const variables = new Map(stdout.split('\0').filter(Boolean).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
      assert.deepEqual([variables.get('GREETING'), variables.get('LINES_OF'), variables.get('odd.name')], ['good day', 'two\nlines "quoted" $HOME `x`', 'kept']);
      assert.equal(variables.get('PATH'), '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
      assert.deepEqual([...variables.keys()].filter((name) => !OWN.includes(name)), []);
    },
  },
  prints('the working directory', 'pwd; pwd -P', '/work/deep\n/work/deep\n'),
  prints('the host name', 'uname -n; cat /etc/hostname; getent ahostsv4 $(uname -n) >/dev/null && echo resolves', 'guest\nguest\nresolves\n'),
  prints('the user, with a home of its own', '[ "$(getent passwd $(id -u))" = "$(id -un):x:$(id -u):$(id -g):$(id -un):$HOME:/bin/sh" ] && [ $USER = $LOGNAME ] && touch ~/x && echo home; umask', 'home\n0022\n'),
  // Beside them the shell's own: one for the script, one for looking.
  prints('no descriptor but its own three', 'fds=(/proc/$$/fd/*); echo ${fds[@]##*/}', '0 1 2 255 3\n'),
  prints('folders of its own', 'for folder in /tmp /var/tmp /run /dev/shm; do touch $folder/x && rm $folder/x && echo $folder; done; stat -c %a /tmp', '/tmp\n/var/tmp\n/run\n/dev/shm\n1777\n'),
  prints('devices', 'for d in null zero full random urandom; do [ -c /dev/$d ] && head -c 1 /dev/$d | wc -c; done; ls -d /dev/ptmx /dev/pts /dev/fd /dev/stdin; echo x >/dev/null', '0\n1\n1\n1\n1\n/dev/fd\n/dev/ptmx\n/dev/pts\n/dev/stdin\n'),
  prints('processes of its own', `[ "$(ls -d /proc/[0-9]* | wc -l)" -lt 100 ] && ps -e >/dev/null && echo few; cat /proc/self/comm`, 'few\ncat\n'),
  prints('a pseudo-terminal can be opened', `script -qec 'stty size >/dev/null; tty' /dev/null | tr -d '\\r'`, '/dev/pts/0\n'),
  prints('hard limits leave room', '[ "$(ulimit -n)" -ge 1024 ] && [ "$(ulimit -u)" = unlimited -o "$(ulimit -u)" -ge 500 ] && echo room', 'room\n'),
  prints('signals are as they were', 'grep -E "^Sig(Blk|Ign)" /proc/self/status', 'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n'),
];

for (const engine of ENGINES) {
  describe(engine.name, () => {
    const folder = mkdtempSync(join(tmpdir(), 'surroundings-test-'));
    const steps = new StepFolder(STEPS);
    let result: JobResult;
    before(async () => {
      mkdirSync(join(folder, 'deep'));
      process.env['ENGINE_TEST_SECRET'] = 'secret';
      // The first thing that runs notes its clock by a file, to which the host gives its own time.
      const clock = 'echo $EPOCHREALTIME >/work/first; bash "$@"; echo $EPOCHREALTIME >/work/last';
      result = await runJob(engine, {
        command: 'bash',
        args: ['-c', clock, 'clock', ...steps.args, ...ARGUMENTS],
        cwd: '/work/deep',
        env: { GREETING: 'good day', LINES_OF: 'two\nlines "quoted" $HOME `x`', 'odd.name': 'kept' },
        mounts: [...steps.mounts, { source: folder, destination: '/work', readOnly: false }],
      });
      delete process.env['ENGINE_TEST_SECRET'];
    });
    after(() => {
      steps.close();
      rmSync(folder, { recursive: true });
    });

    for (const { name, check } of STEPS) test(name, () => check(steps.result(name)));

    test("the clock is right at the command's first instruction, and runs as the host's does", () => {
      const off = (name: string): number => Number(readFileSync(join(folder, name), 'utf8')) * 1000 - statSync(join(folder, name)).mtimeMs;
      assert.ok(Math.abs(off('first')) < 1000, `${off('first')} ms off`);
      assert.ok(Math.abs(off('last') - off('first')) < 250, `${off('first')} ms off at first, ${off('last')} at last`);
    });

    test('the parts of the start are told in milliseconds', () => {
      const { boot } = result;
      assert.ok(boot['total']! >= boot['prepare']!, JSON.stringify(boot));
      assert.ok(Object.keys(boot).length >= 5, JSON.stringify(boot));
      for (const [part, milliseconds] of Object.entries(boot)) assert.ok(milliseconds >= 0, part);
    });
  });
}
