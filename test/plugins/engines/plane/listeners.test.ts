/** The sockets that a guest's connections come to, as the kernel has them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { Workspace, until } from '../../../e2e/stage/workspace.ts';
import { descendants } from '../../../stage/process-tree.ts';

/** Connections that may wait to be accepted at each TCP socket that listens in the network of a process. */
function queues(pid: number): number[] {
  const lines = execFileSync('nsenter', ['-t', String(pid), '-U', '--preserve-credentials', '-n', 'ss', '-ltnH'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return lines.trim().split('\n').map((line) => Number(line.split(/\s+/)[2]));
}

test('thousands of connections may wait while the host is busy: a full queue would have the guest try again after seconds', { timeout: 60_000 }, async () => {
  const workspace = new Workspace();
  try {
    const child = workspace.start('mentu-runtime', ['exec', '--interceptor', '--', 'sh', '-c', 'echo ready; read _']);
    let stdout = '';
    child.stdout!.on('data', (chunk) => (stdout += chunk));
    const closed = once(child, 'close');
    await until('the guest is there', () => stdout.includes('ready'), 30_000);
    // Its parent is the host, and the network is its own.
    const helper = descendants(child.pid!).find(({ parent }) => parent === child.pid)!;
    const found = queues(helper.pid);
    assert.ok(found.length > 0);
    for (const queue of found) assert.equal(queue, 4096);
    child.stdin!.end('\n');
    await closed;
  } finally {
    workspace.close();
  }
});
