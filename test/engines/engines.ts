/** The guest engines that the suite tries, as far as the machine has them. A new engine is one more entry. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { NO_LIMITS } from '../../plugins/engines/engine.ts';
import type { GuestEngine, GuestLimits } from '../../plugins/engines/engine.ts';
import { NamespaceEngine } from '../../plugins/engines/namespace/engine.ts';
import type { Guard as NamespaceGuard } from '../../plugins/engines/namespace/guards.ts';
import { QemuEngine } from '../../plugins/engines/qemu/engine.ts';
import type { Guard as QemuGuard } from '../../plugins/engines/qemu/guards.ts';
import { testKernelHome } from '../stage/kernel.ts';

export interface TestedEngine {
  readonly name: 'namespace' | 'qemu';
  readonly boundary: GuestEngine['boundary'];
  /** The engine as users have it, or without guards of its own. */
  make(without?: readonly string[]): Promise<GuestEngine>;
  /** What the machine lacks for it, beyond what the tests can set up by themselves; null where there is nothing. */
  lack(): Promise<string | null>;
  /** Puts what the engine needs into a MENTU_HOME. */
  furnish(home: string): Promise<void>;
  /** Whose number the command has. */
  readonly uid: number;
  /** Of a guest that a test asks nothing of: a processor that is translated is best alone. */
  readonly limits: GuestLimits;
  /** The same in a profile. */
  readonly profile: object;
  /** By how much everything may take longer than in a namespace. */
  readonly patience: number;
  /** Jobs of it that run side by side in a test. */
  readonly jobsAtOnce: number;
  /** Names of its processes on the host, below the helper, as the kernel shortens them. */
  readonly processes: readonly string[];
}

export const NAMESPACE: TestedEngine = {
  name: 'namespace',
  boundary: 'namespace',
  make: async (without = []) => new NamespaceEngine({ without: without as readonly NamespaceGuard[] }),
  lack: async () => null, // no Linux without it
  furnish: async () => undefined,
  uid: process.getuid!(),
  limits: NO_LIMITS,
  profile: {},
  patience: 1,
  jobsAtOnce: 20,
  processes: ['bwrap'],
};

export const QEMU: TestedEngine = {
  name: 'qemu',
  boundary: 'kernel',
  make: async (without = []) => new QemuEngine({ home: await testKernelHome(), kernel: null, without: without as readonly QemuGuard[] }),
  lack: async () => {
    const findings = await new QemuEngine({ home: '/nowhere', kernel: null }).examine();
    return findings.filter(({ ok, name }) => !ok && name !== 'kernel').map(({ name, detail }) => `${name}: ${detail}`).join('; ') || null;
  },
  furnish: async (home) => {
    mkdirSync(join(home, 'engines'), { recursive: true, mode: 0o700 });
    symlinkSync(await testKernelHome(), join(home, 'engines/qemu'));
  },
  uid: 0,
  limits: { cpus: 1, memoryMiB: null },
  profile: { cpus: 1 },
  patience: 4,
  jobsAtOnce: 4,
  processes: ['bwrap', 'qemu-system', 'virtiofsd'],
};

const ALL: readonly TestedEngine[] = [NAMESPACE, QEMU];

/** Each engine, and what the machine lacks for it. */
export const EXAMINED = await Promise.all(ALL.map(async (engine) => ({ engine, lacking: await engine.lack() })));

export const ENGINES: readonly TestedEngine[] = EXAMINED.filter(({ lacking }) => lacking === null).map(({ engine }) => engine);

/** The engine whose name a program of the suite has been given. */
export function engineNamed(name: string | undefined): TestedEngine {
  const found = ALL.find((engine) => engine.name === name);
  if (found === undefined) throw new Error(`no engine ${name} among ${ALL.map((engine) => engine.name).join(', ')}`);
  return found;
}
