/** Proves the machine on this host: four guests at once, which take some seconds without hardware virtualisation. */
import type { Finding } from '../engine.ts';
import { datagramTrial, fileTrial, loopbackTrial, proveByTrial } from '../probe/trials.ts';
import { QemuEngine } from './engine.ts';
import type { Guard } from './guards.ts';

/** As which QEMU's own network shows the host's loopback to a guest. */
const LOOPBACK = '10.0.2.2';
const LIMITS = { cpus: 1, memoryMiB: 512 };

/** `home`: the folder of kernels. */
export function selfTest(home: string): Promise<Finding[]> {
  return proveByTrial<Guard>({
    make: (without) => new QemuEngine({ home, kernel: null, without }),
    trials: (bait) => [loopbackTrial(bait, LOOPBACK, ['network']), fileTrial(bait, ['root']), datagramTrial(['udp'])],
    limits: LIMITS,
  });
}
