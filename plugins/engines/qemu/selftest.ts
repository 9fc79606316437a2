/** Proves the machine on this host: the kernel boots, and four guests at once try what they must not reach; some seconds without hardware virtualisation. */
import type { Finding } from '../engine.ts';
import { datagramTrial, fileTrial, loopbackTrial, proveByTrial } from '../probe/trials.ts';
import { Accelerators, probeBoot } from './accelerator.ts';
import { QemuEngine } from './engine.ts';
import { SETUP_LINE } from './examination.ts';
import type { Guard } from './guards.ts';
import { KernelStore } from './kernel/store.ts';

/** As which QEMU's own network shows the host's loopback to a guest. */
const LOOPBACK = '10.0.2.2';
const LIMITS = { cpus: 1, memoryMiB: 512 };
const BOOT_LIMIT_MS = 30_000;

/** `home`: the folder of kernels. */
export async function selfTest(home: string): Promise<Finding[]> {
  const boot = await bootFinding(home);
  if (!boot.ok) return [boot];
  const trials = await proveByTrial<Guard>({
    make: (without) => new QemuEngine({ home, kernel: null, without }),
    trials: (bait) => [loopbackTrial(bait, LOOPBACK, ['network']), fileTrial(bait, ['root']), datagramTrial(['udp'])],
    limits: LIMITS,
  });
  return [boot, ...trials];
}

async function bootFinding(home: string): Promise<Finding> {
  const name = 'the kernel boots';
  const store = new KernelStore(home);
  const { kernel, reason } = store.state();
  const damage = kernel === null ? reason : store.damageOf(kernel);
  if (kernel === null || damage !== null) return { name, ok: false, detail: damage ?? 'there is none', mend: SETUP_LINE };
  const accelerators = new Accelerators(home);
  const accelerator = await accelerators.choose(kernel);
  const { up, milliseconds, words } = await probeBoot(kernel, accelerator, await accelerators.tscKhz(), BOOT_LIMIT_MS);
  if (!up) return { name, ok: false, detail: words || `it said nothing within ${BOOT_LIMIT_MS / 1000} s`, mend: SETUP_LINE };
  return { name, ok: true, detail: `up in ${(milliseconds / 1000).toFixed(1)} s under ${accelerator === 'kvm' ? 'KVM' : 'TCG: no hardware virtualisation that works'}` };
}
