/** What tells leftovers of a job from the processes of another one that was given the same numbers. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { straysIn } from './process-tree.ts';

test('a process in a namespace is a stray below its holder, and once nobody runs it; not while another test does', async () => {
  // A shell that starts a process in the background and tells its number, then waits until its input ends.
  const shell = spawn('sh', ['-c', 'sleep 60 </dev/null >/dev/null 2>&1 & echo $!; read line'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const sleeper = Number(String((await once(shell.stdout, 'data'))[0]).trim());
  const strays = (holder: number): boolean => straysIn(new Set([readlinkSync(`/proc/${sleeper}/ns/net`)]), holder).some(({ pid }) => pid === sleeper);
  try {
    assert.deepEqual([strays(shell.pid!), strays(1)], [true, false]);
    shell.stdin.end();
    await once(shell, 'exit');
    assert.equal(strays(1), true);
  } finally {
    process.kill(sleeper, 'SIGKILL');
  }
});
