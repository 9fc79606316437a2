/** The guest engines that the suite tries. A new engine is one more entry. */
import type { GuestEngine } from '../../plugins/engines/engine.ts';
import { NamespaceEngine } from '../../plugins/engines/namespace/engine.ts';
import type { Guard as NamespaceGuard } from '../../plugins/engines/namespace/guards.ts';
import { QemuEngine } from '../../plugins/engines/qemu/engine.ts';
import type { Guard as QemuGuard } from '../../plugins/engines/qemu/guards.ts';
import { testKernelHome } from '../stage/kernel.ts';

export interface TestedEngine {
  readonly name: 'namespace' | 'qemu';
  /** The engine as users have it, or without guards of its own. */
  make(without?: readonly string[]): Promise<GuestEngine>;
  /** Whose number the command has. */
  readonly uid: number;
  /** By how much everything may take longer than in a namespace. */
  readonly patience: number;
  /** Jobs of it that run side by side in a test. */
  readonly jobsAtOnce: number;
  /** Names of its processes on the host, below the helper, as the kernel shortens them. */
  readonly processes: readonly string[];
}

export const NAMESPACE: TestedEngine = {
  name: 'namespace',
  make: async (without = []) => new NamespaceEngine({ without: without as readonly NamespaceGuard[] }),
  uid: process.getuid!(),
  patience: 1,
  jobsAtOnce: 20,
  processes: ['bwrap'],
};

export const QEMU: TestedEngine = {
  name: 'qemu',
  make: async (without = []) => new QemuEngine({ home: await testKernelHome(), kernel: null, without: without as readonly QemuGuard[] }),
  uid: 0,
  patience: 4,
  jobsAtOnce: 4,
  processes: ['bwrap', 'qemu-system', 'virtiofsd'],
};

export const ENGINES: readonly TestedEngine[] = [NAMESPACE, QEMU];

/** The engine whose name a program of the suite has been given. */
export function engineNamed(name: string | undefined): TestedEngine {
  const found = ENGINES.find((engine) => engine.name === name);
  if (found === undefined) throw new Error(`no engine ${name} among ${ENGINES.map((engine) => engine.name).join(', ')}`);
  return found;
}
