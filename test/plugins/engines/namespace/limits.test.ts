/**
 * What bounds a guest, each with its control: the same attempt succeeds in a guest without that bound. Where this user can
 * make no control group for it, the guest has to say so.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Guest, GuestLimits } from '../../../../plugins/engines/engine.ts';
import { MAX_PROCESSES } from '../../../../plugins/engines/limits/group.ts';
import { findPlaces, type Controller } from '../../../../plugins/engines/limits/hierarchies.ts';
import { NAMESPACE } from '../../../engines/engines.ts';
import { runJob, shell, specOf, type JobOptions, type JobResult } from '../../../engines/job.ts';

const limited = (limits: Partial<GuestLimits>): JobOptions => ({ limits: { cpus: null, memoryMiB: null, ...limits }, network: 'none' });
const python = (script: string, options: JobOptions): Promise<JobResult> => runJob(NAMESPACE, { command: 'python3', args: ['-c', script], ...options });
const allocate = (mebibytes: number): string => `held = bytearray(b"x") * (${mebibytes} * 1024 * 1024)\nprint("held")`;
const placeOf = (controller: Controller) => findPlaces([controller])[0];

/** The file of this process's one guest's group; null where there is no such file. */
function groupFile(controller: Controller, name: string): string | null {
  const { parent } = placeOf(controller)!;
  const [group, ...others] = readdirSync(parent).filter((entry) => new RegExp(`^mentu-\\d+-${process.pid}-`).test(entry));
  assert.deepEqual([group !== undefined, others], [true, []], 'one guest at a time');
  return readdirSync(join(parent, group!)).includes(name) ? readFileSync(join(parent, group!, name), 'utf8').trim() : null;
}

/** Where no group can be made, the guest says that the limit does not hold, and this is all there is to try. */
async function holds(controller: 'cpu' | 'memory', limits: Partial<GuestLimits>): Promise<boolean> {
  const guest = await (await NAMESPACE.make()).prepare(specOf(limited(limits)));
  await guest.close();
  const told = guest.unenforced.filter((sentence) => sentence.includes(controller === 'cpu' ? 'processors' : 'memory'));
  assert.equal(told.length, placeOf(controller) ? 0 : 1, guest.unenforced.join());
  return placeOf(controller) !== undefined;
}

test('memory: a process that wants more is ended, and the guest tells of it', async () => {
  if (!(await holds('memory', { memoryMiB: 64 }))) return;
  const hog = await python(allocate(100), limited({ memoryMiB: 64 }));
  assert.deepEqual(hog.exit, { code: 137, signal: 'SIGKILL', outOfMemory: true });
  const control = await python(allocate(100), limited({}));
  assert.deepEqual([control.exit, control.stdout], [{ code: 0, signal: null }, 'held\n']);
  const modest = await python(allocate(30), limited({ memoryMiB: 64 }));
  assert.deepEqual([modest.exit, modest.stdout], [{ code: 0, signal: null }, 'held\n']);
  const child = await shell(NAMESPACE, `python3 -c '${allocate(100)}'; echo "child $?"; exit 3`, limited({ memoryMiB: 64 }));
  assert.deepEqual([child.exit, child.stdout], [{ code: 3, signal: null, outOfMemory: true }, 'child 137\n'], 'the command goes on without its child');
});

test('memory: files in /tmp and what is swapped out count', async () => {
  if (!(await holds('memory', { memoryMiB: 64 }))) return;
  const script = (files: number): string => `open("/tmp/x", "wb").write(bytes(${files} * 1024 * 1024))\n${allocate(40)}`;
  assert.equal((await python(script(30), limited({ memoryMiB: 64 }))).exit.code, 137);
  assert.equal((await python(script(2), limited({ memoryMiB: 64 }))).exit.code, 0);
  await runJob(NAMESPACE, {
    ...limited({ memoryMiB: 64 }),
    running: () => {
      const [whole, swap] = placeOf('memory')!.version === 1 ? ['memory.limit_in_bytes', groupFile('memory', 'memory.memsw.limit_in_bytes')] : ['memory.max', groupFile('memory', 'memory.swap.max')];
      assert.equal(groupFile('memory', whole!), `${64 * 1024 ** 2}`);
      if (swap !== null) assert.equal(swap, placeOf('memory')!.version === 1 ? `${64 * 1024 ** 2}` : '0');
    },
  });
});

test('processors: a command that wants more is throttled', async () => {
  if (!(await holds('cpu', { cpus: 0.2 }))) return;
  const throttled = async (limits: Partial<GuestLimits>): Promise<number> => {
    let periods = 0;
    await shell(NAMESPACE, 'timeout 1.2 sh -c "while :; do :; done"; echo done; sleep 30', {
      ...limited(limits),
      running: async (guest, output) => {
        while (output() === '') await new Promise((resolve) => setTimeout(resolve, 50));
        periods = Number(/^nr_throttled (\d+)$/m.exec(groupFile('cpu', 'cpu.stat')!)![1]);
        guest.signal('SIGKILL');
      },
    });
    return periods;
  };
  assert.ok((await throttled({ cpus: 0.2 })) >= 2, 'it was stopped in some periods of 0.1 s');
  assert.equal(await throttled({}), 0);
});

const THREADS = `
import threading
threading.stack_size(65536)
go = threading.Event()
started = 0
try:
    for started in range(1, ${MAX_PROCESSES + 200}):
        threading.Thread(target=go.wait, daemon=True).start()
    print("all")
except RuntimeError:
    print("refused", ${MAX_PROCESSES} - 40 < started <= ${MAX_PROCESSES})
go.set()
`;

test('processes and threads: their number is bounded without being asked, and nobody in the guest can raise it', async () => {
  const bounded = await python(THREADS, limited({}));
  assert.equal(bounded.stdout, 'refused True\n', bounded.stderr);
  assert.equal((await python(THREADS, { ...limited({}), without: ['limits'] })).stdout, 'all\n');
  let facts: Guest['facts'] = {};
  await runJob(NAMESPACE, { prepared: (guest) => (facts = guest.facts) });
  assert.equal(facts['processes'], placeOf('pids') ? `cgroup v${placeOf('pids')!.version}` : 'rlimit');
});

test('files: the folders that a guest writes to share one space, and it ends with "no space"', async () => {
  const fill = 'for at in /tmp /run /var/tmp /dev/shm ~; do head -c 10M /dev/zero > $at/file 2>/dev/null && echo $at || echo full; done';
  const small = limited({ memoryMiB: 64 }); // half of it for files
  assert.deepEqual((await shell(NAMESPACE, fill, small)).stdout.split('\n').slice(0, 5), ['/tmp', '/run', '/var/tmp', 'full', 'full']);
  assert.equal((await shell(NAMESPACE, fill, { ...small, without: ['limits'] })).stdout.includes('full'), false);
  const many = 'mkdir /tmp/many && cd /tmp/many && seq 9000 | xargs touch 2>&1 | tail -n 1 | grep -o "No space left on device"; ls | wc -l';
  assert.match((await shell(NAMESPACE, many, small)).stdout, /^No space left on device\n[78]\d\d\d\n$/);
  assert.equal((await shell(NAMESPACE, many, { ...small, without: ['limits'] })).stdout, '9000\n');
});

test('files: nothing else of the root can be written to', async () => {
  const { stdout } = await shell(NAMESPACE, 'for at in / /dev /etc /usr /proc; do touch $at/file 2>/dev/null && echo $at; done; echo x > /dev/null && echo devices can', limited({}));
  assert.equal(stdout, 'devices can\n');
});
