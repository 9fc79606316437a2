/**
 * What is around a machine's programs: whoever breaks out of the guest into QEMU, or into the server of its files, finds
 * no network, process or file of the host. Seen from the host, each with a control: QEMU without its confinement.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Outcome } from '../../../../plugins/engines/probe/probe.ts';
import { QEMU } from '../../../engines/engines.ts';
import { runJob } from '../../../engines/job.ts';
import { assertHolds, row, table } from '../../../engines/pairs.ts';
import type { Row } from '../../../engines/pairs.ts';
import { descendants } from '../../../stage/process-tree.ts';

const WITHOUT = ['confinement'];
const PROGRAMS = ['qemu-system', 'virtiofsd'] as const;
const folder = mkdtempSync(join(tmpdir(), 'confinement-test-'));
const secret = join(folder, 'secret');
writeFileSync(secret, 'secret', { mode: 0o600 });

const field = (pid: number, name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!;
const shares = (kind: string) => (pid: number): Outcome => {
  const own = readlinkSync(`/proc/${pid}/ns/${kind}`);
  return { reached: own === readlinkSync(`/proc/self/ns/${kind}`), detail: own };
};

/** What a process could do, by what the kernel says of it. `reached`: it could. */
const VIEWS: Readonly<Record<string, (pid: number) => Outcome>> = {
  "the host's files": (pid) => {
    const found = statSync(`/proc/${pid}/root${secret}`, { throwIfNoEntry: false });
    return { reached: found !== undefined, detail: found ? 'there' : 'ENOENT' };
  },
  "interfaces of the plane's network or the host's": (pid) => {
    const names = [...readFileSync(`/proc/${pid}/net/dev`, 'utf8').matchAll(/^ *(\S+):/gm)].map(([, name]) => name!);
    return { reached: names.some((name) => name !== 'lo'), detail: names.join(' ') };
  },
  'other processes': shares('pid'),
  "the host's shared memory": shares('ipc'),
  'every system call': (pid) => ({ reached: field(pid, 'Seccomp') !== '2', detail: `mode ${field(pid, 'Seccomp')}` }),
};
const OF_QEMU_ALONE: typeof VIEWS = {
  capabilities: (pid) => {
    const sets = ['CapEff', 'CapPrm', 'CapInh', 'CapAmb'].map((name) => field(pid, name));
    return { reached: sets.some((set) => /[1-9a-f]/.test(set)), detail: sets[0]! };
  },
};

type Seen = Readonly<Record<string, Outcome>>;

/** Each view of each program, where any process of that name is enough to reach. */
async function look(without: readonly string[]): Promise<Seen> {
  const seen: Record<string, Outcome> = {};
  await runJob(QEMU, {
    command: 'sleep',
    args: ['100'],
    without,
    mounts: [{ source: folder, destination: '/share', readOnly: true }],
    running: (guest) => {
      for (const program of PROGRAMS) {
        const pids = descendants(process.pid).filter(({ name }) => name.startsWith(program)).map(({ pid }) => pid);
        assert.ok(pids.length > 0, `${program} runs`);
        for (const [what, view] of Object.entries({ ...VIEWS, ...(program === 'qemu-system' ? OF_QEMU_ALONE : {}) })) {
          const outcomes = pids.map(view);
          seen[`${what}, for ${program}`] = outcomes.find(({ reached }) => reached) ?? outcomes[0]!;
        }
      }
      guest.signal('SIGKILL');
    },
  });
  return seen;
}

let rows: Row[] = [];
before(async () => {
  const confined = await look([]);
  const free = await look(WITHOUT); // one after the other: each looks at all machines of this process
  rows = Object.entries(confined).map(([name, outcome]) =>
    // Its file server stays confined for its control: what is held against it is that QEMU, without, could.
    row(QEMU, { name, controls: { qemu: { without: WITHOUT } } }, outcome, free[name.replace('virtiofsd', 'qemu-system')]!));
});
after(() => {
  console.log(table(rows));
  rmSync(folder, { recursive: true });
});

for (const program of PROGRAMS) {
  for (const what of [...Object.keys(VIEWS), ...(program === 'qemu-system' ? Object.keys(OF_QEMU_ALONE) : [])]) {
    const name = `${what}, for ${program}`;
    test(`out of reach, and within reach where the guard is missing: ${name}`, () => assertHolds(rows.find(({ probe }) => probe === name)!));
  }
}
