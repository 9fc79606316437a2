/** A user to whom no control group belongs: what holds without one, and what is said of the rest. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JobSummary } from '../../../../cli/job/job-summary.ts';
import { findPlaces } from '../../../../plugins/engines/limits/hierarchies.ts';
import { MAX_PROCESSES } from '../../../../plugins/engines/limits/group.ts';

const RUNTIME = join(import.meta.dirname, '../../../../cli/bin/mentu-runtime');
const NOBODY = 65_534;
const AS_NOBODY = ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'];

/** How to become a user without control groups; null where this test's own is already one. */
function user(): readonly string[] | null {
  if (process.getuid!() !== 0) return findPlaces(['pids', 'memory', 'cpu']).length === 0 ? [] : null;
  try {
    execFileSync(AS_NOBODY[0]!, [...AS_NOBODY.slice(1), process.execPath, '--version'], { stdio: 'ignore', cwd: '/' });
    execFileSync(AS_NOBODY[0]!, [...AS_NOBODY.slice(1), 'cat', RUNTIME], { stdio: 'ignore', cwd: '/' });
    return AS_NOBODY;
  } catch {
    return null;
  }
}

const THREADS = `
import threading
threading.stack_size(65536)
go = threading.Event()
try:
    for n in range(1, ${MAX_PROCESSES + 200}):
        threading.Thread(target=go.wait, daemon=True).start()
    print("all")
except RuntimeError:
    print("refused", ${MAX_PROCESSES} - 40 < n <= ${MAX_PROCESSES})
go.set()
`;

test('without control groups an rlimit bounds the processes, the files have their space, and the rest is said', { skip: user() === null && 'this user has control groups, or the checkout cannot be read by others' }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'unprivileged-test-'));
  try {
    if (process.getuid!() === 0) chownSync(folder, NOBODY, NOBODY);
    const [program, ...args] = [...user()!, RUNTIME, 'exec', '--network', 'none', '--cpus', '0.5', '--memory', '64', '--json', '--', 'bash', '-c'];
    const script = `python3 -c '${THREADS}'; ulimit -u 100000 && echo raised; head -c 40M /dev/zero > /tmp/file || echo full; echo "held: $(python3 -c 'print(len(bytearray(100 << 20)))')"`;
    const { code, stdout, stderr } = await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile(program!, [...args, script], { cwd: folder, timeout: 60_000, env: { PATH: process.env['PATH'], MENTU_HOME: join(folder, 'home') } }, (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }));
    });
    assert.deepEqual([code, stdout], [0, 'refused True\nfull\nheld: 104857600\n'], stderr);
    const told = ['the limit of 0.5 processors does not hold', 'the limit of 64 MiB of memory holds for files in /tmp and the like alone'];
    for (const words of told) assert.equal(stderr.split(`mentu: ${words}`).length, 2, `${words}, once: ${stderr}`);
    const summary = JSON.parse(readFileSync(join(folder, '.mentu/jobs/latest/summary.json'), 'utf8')) as JobSummary;
    assert.deepEqual(summary.limits_not_enforced.map((sentence) => told.findIndex((words) => sentence.startsWith(words))), [0, 1]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
