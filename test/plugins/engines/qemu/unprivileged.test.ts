/** The engine needs no root where /dev/net/tun is everybody's, as it is on most systems. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { testKernelHome } from '../../../stage/kernel.ts';

const NOBODY = 65_534;
const LIMIT_MS = 90_000;
/** In a mount namespace of its own: the host's device stays as it is. */
const AS_NOBODY = `
  mknod "$1/tun" c 10 200 && chmod 666 "$1/tun" && mount --bind "$1/tun" /dev/net/tun || exit 99
  shift; exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups "$@"`;

/** A test run by a user is itself the proof, and cannot become another user. */
function reasonToSkip(): string | false {
  if (process.getuid!() !== 0) return 'not run by root: every other test here has run unprivileged';
  try {
    execFileSync('setpriv', ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', 'cat', import.meta.filename], { stdio: 'ignore', cwd: '/' });
    return false;
  } catch {
    return 'other users cannot read this checkout';
  }
}

test('a user without any privilege runs a machine with a captured network', { skip: reasonToSkip() }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'unprivileged-test-'));
  try {
    const home = join(folder, 'home');
    cpSync(await testKernelHome(), home, { recursive: true });
    execFileSync('chown', ['-R', `${NOBODY}`, folder]);
    const script = 'id -u; exec 3<>/dev/tcp/1.2.3.4/81; cat <&3; exec 3<>/dev/tcp/fd00::1/82; cat <&3; touch ~/x /tmp/x && echo written';
    const program = [process.execPath, '--no-warnings', join(import.meta.dirname, 'host.ts'), home, 'bash', '-c', script];
    const { stdout } = await promisify(execFile)('unshare', ['--mount', 'sh', '-c', AS_NOBODY, 'sh', folder, ...program], { cwd: '/', timeout: LIMIT_MS, killSignal: 'SIGKILL' });
    assert.deepEqual(stdout.trim().split('\n'), ['0', '1.2.3.4 81', 'fd00::1 82', 'written']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
