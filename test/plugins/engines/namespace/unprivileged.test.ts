/** The engine needs no root: the same guest, started by a user who is nobody in particular. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { within } from '../../../engines/job.ts';

const HOST = join(import.meta.dirname, '../../../engines/host.ts');
const NOBODY = 65_534;
const AS_NOBODY = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];

/** A test run by a user is itself the proof, and cannot become another user. */
function reasonToSkip(): string | false {
  if (process.getuid!() !== 0) return 'not run by root: every other test here has run unprivileged';
  try {
    execFileSync('setpriv', [...AS_NOBODY, process.execPath, '--version'], { stdio: 'ignore', cwd: '/' });
    execFileSync('setpriv', [...AS_NOBODY, 'cat', HOST], { stdio: 'ignore', cwd: '/' });
    return false;
  } catch {
    return 'other users cannot read this checkout';
  }
}

test('a user without any privilege runs a guest with a captured network', { skip: reasonToSkip() }, async () => {
  const script = 'id -u; whoami; echo ~; exec 3<>/dev/tcp/1.2.3.4/81; cat <&3; exec 3<>/dev/tcp/fd00::1/82; cat <&3; touch ~/x /tmp/x && grep CapBnd /proc/self/status';
  const spec = { command: 'bash', args: ['-c', script], stdio: [0, 1, 2], packets: true };
  const command = [...AS_NOBODY, process.execPath, '--no-warnings', HOST, 'namespace', JSON.stringify(spec)];
  const host = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], cwd: '/' });
  let output = '';
  host.stdout!.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  try {
    const exited = new Promise((resolve) => host.on('message', (message: { exited?: unknown }) => message.exited && resolve(message.exited)));
    assert.deepEqual(await within(exited), { code: 0, signal: null });
    const closed = once(host, 'message') as Promise<[{ packetBytes: number }]>;
    host.send('close');
    const [{ packetBytes }] = await within(closed);
    await within(once(host, 'close'));
    assert.ok(packetBytes > 1000, `${packetBytes} bytes of packets`);
    assert.deepEqual(output.trim().split('\n'), [`${NOBODY}`, 'user', '/home/user', '1.2.3.4 81', 'fd00::1 82', 'CapBnd:\t0000000000000000']);
  } finally {
    host.kill('SIGKILL');
  }
});
