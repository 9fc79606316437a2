/** What a machine is given of the host. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { MentuError } from '../../../../core/index.ts';
import type { GuestLimits } from '../../../../plugins/engines/engine.ts';
import { QemuEngine } from '../../../../plugins/engines/qemu/engine.ts';
import { QEMU } from '../../../engines/engines.ts';
import { runJob, specOf } from '../../../engines/job.ts';

test('the guest has the processors and the memory of its limits, and is told what does not hold', async () => {
  const told: (readonly string[])[] = [];
  const limits = { cpus: 0.5, memoryMiB: 192 };
  const { stdout } = await runJob(QEMU, {
    command: 'sh',
    args: ['-c', 'nproc; sed -n "s/^MemTotal: *\\([0-9]*\\) kB/\\1/p" /proc/meminfo; head -c 300M /dev/zero | tail -c 1 >/dev/null; dd if=/dev/zero of=/tmp/full bs=1M 2>&1 | grep -o "No space left on device"'],
    limits,
    prepared: (guest) => told.push(guest.unenforced),
  });
  const [processors, kilobytes, full] = stdout.trim().split('\n');
  assert.equal(processors, '1');
  assert.ok(Number(kilobytes) > 128 * 1024 && Number(kilobytes) < 192 * 1024, kilobytes);
  assert.equal(full, 'No space left on device');
  assert.deepEqual(told, [['the limit of 0.5 processors holds as 1: a machine has whole ones']]);
});

for (const [what, limits] of [
  ['too little memory', { cpus: null, memoryMiB: 64 }],
  ['more processors than there are', { cpus: availableParallelism() + 1, memoryMiB: null }],
] satisfies [string, GuestLimits][]) {
  test(`${what}: refused by name before anything starts`, async () => {
    const asked = new QemuEngine({ home: '/nowhere', kernel: null }).prepare(specOf({ limits }));
    await assert.rejects(asked, (error: MentuError) => error.code === 'engine_limit_refused' && /cpus|memoryMiB/.test(error.message));
  });
}
