/**
 * The QEMU engine: a guest is a virtual machine with a kernel of its own. Its files come from a server on the host that
 * shows what a namespace guest would see, its network ends in the same plane.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { MentuError } from '../../../core/index.ts';
import type { Finding, Guest, GuestEngine, GuestSpec } from '../engine.ts';
import { refuseFolders } from '../plane/descriptors.ts';
import { PlaneGuest } from '../plane/plane-guest.ts';
import { PacketStream, packetTool } from '../plane/packet-stream.ts';
import { PlaneProcess } from '../plane/plane-process.ts';
import { environmentOf, identityOf } from '../root/environment.ts';
import { planRoot } from '../root/planning.ts';
import { findTools } from '../tools.ts';
import { Accelerators } from './accelerator.ts';
import { examine, findMachineTools } from './examination.ts';
import type { Guard } from './guards.ts';
import { KernelStore } from './kernel/store.ts';
import type { GuestKernel } from './kernel/store.ts';
import type { MachinePlan } from './plan.ts';
import { SerialTerminal } from './serial-terminal.ts';

const LAUNCHER = new URL(import.meta.url.endsWith('.ts') ? './launcher.ts' : './launcher.js', import.meta.url);
/** On a host that does other things, a translated machine takes ten times as long as on an idle one. */
const BOOT_LIMIT_MS = 60_000;
/** What the helper has beside the boot. */
const HELPER_LIMIT_MS = 30_000;
const DEFAULT_MEMORY_MIB = 1024;
/** The kernel and busybox need about half of it. */
const LEAST_MEMORY_MIB = 128;
/** Names in a root of its own that the guest's kernel mounts something on. */
const ROOT_POINTS = ['dev', 'proc', 'sys', 'tmp'] as const;
const DEFAULT_PROCESSORS = 2;

export interface QemuOptions {
  /** The folder of kernels and of what is known of this machine. */
  readonly home: string;
  /** A kernel to take in place of the one that was set up. */
  readonly kernel: string | null;
  /** A kernel that has not come up within this is taken for one that does not boot; milliseconds. */
  readonly bootLimitMs?: number;
  /** Guards that a test takes away, to prove that its probe would succeed where they are missing. */
  readonly without?: readonly Guard[];
}

export class QemuEngine implements GuestEngine {
  readonly name = 'qemu';
  readonly boundary = 'kernel';
  readonly #options: QemuOptions;
  readonly #without: readonly Guard[];

  constructor(options: QemuOptions) {
    this.#options = options;
    this.#without = options.without ?? [];
  }

  examine(): Promise<Finding[]> {
    return examine(this.#options.home);
  }

  async prepare(spec: GuestSpec): Promise<Guest> {
    const began = performance.now();
    const found = findTools();
    const machineTools = findMachineTools();
    const missing = ['missing' in found ? found.missing : [], 'missing' in machineTools ? machineTools.missing : []].flat();
    if ('missing' in found || 'missing' in machineTools) this.#refuse(`${missing.join(', ')} not found`);
    const tcpdump = packetTool(spec);
    const limits = machineLimits(spec);
    const stdio = spec.stdio ?? [0, 1, 2];
    if (!spec.terminal) refuseFolders(stdio);
    const terminal = spec.terminal ? await SerialTerminal.open() : null;
    const without = this.#without;
    const { bootLimitMs = BOOT_LIMIT_MS } = this.#options;
    const packets = tcpdump === undefined ? null : await PacketStream.open();
    const helper = new PlaneProcess<MachinePlan>({
      entry: LAUNCHER,
      options: {
        tools: found.tools,
        network: without.includes('network') ? 'host' : spec.network,
        dropUdp: !without.includes('udp'),
        packets: tcpdump,
      },
      packets,
      stdio: terminal?.ends ?? stdio,
      startLimitMs: bootLimitMs + HELPER_LIMIT_MS,
    });
    terminal?.release();
    terminal?.onResize((columns, rows) => void helper.request('resize', { columns, rows }).catch(() => undefined));
    try {
      const kernel = await this.#kernel();
      const accelerators = new Accelerators(this.#options.home);
      const identity = identityOf(0, 0); // root of a machine of its own
      const cwd = spec.cwd ?? (spec.rootfs === null ? identity.home : '/');
      const [root, accelerator, tscKhz] = await Promise.all([
        planRoot(spec, { identity, cwd, points: ROOT_POINTS, writable: false, without }),
        accelerators.choose(kernel),
        accelerators.tscKhz(),
      ]);
      const walked = performance.now() - began;
      const plan: MachinePlan = {
        ...root,
        command: [spec.command, ...spec.args],
        environment: environmentOf(spec, identity),
        cwd,
        terminal: spec.terminal,
        // What hardly any output ends with: the beginning of it would be held back.
        mark: `\x1e\x02${randomUUID()}`,
        kernel,
        accelerator,
        tscKhz,
        bootLimitMs,
        ...limits,
        tools: { bwrap: found.tools.bwrap, ...machineTools.tools },
      };
      const [parts, listeners] = await Promise.all([helper.request('start', { start: plan }), helper.listeners, helper.packets?.ready]);
      return new PlaneGuest({
        helper,
        listeners,
        terminal,
        boot: { shares: walked, ...parts, prepare: performance.now() - began },
        began,
        facts: { accelerator, kernel: kernel.release },
        unenforced: unenforcedOf(spec, limits.processors),
      });
    } catch (error) {
      await helper.close();
      terminal?.close();
      throw error;
    }
  }

  async #kernel(): Promise<GuestKernel> {
    const store = new KernelStore(this.#options.home);
    if (this.#options.kernel !== null) return store.named(this.#options.kernel);
    const { kernel, reason } = store.state();
    return kernel ?? this.#refuse(reason ?? 'no kernel is set up');
  }

  #refuse(reason: string): never {
    throw new MentuError('engine_unavailable', { engine: this.name, reason, mend: 'Run: mentu-runtime engine setup qemu' });
  }
}

/** A machine has whole processors. */
function machineLimits({ limits }: GuestSpec): Pick<MachinePlan, 'processors' | 'memoryMiB'> {
  const memoryMiB = limits.memoryMiB ?? DEFAULT_MEMORY_MIB;
  if (memoryMiB < LEAST_MEMORY_MIB) {
    throw new MentuError('engine_limit_refused', { engine: 'qemu', limit: `memoryMiB: ${memoryMiB}`, reason: `a machine needs ${LEAST_MEMORY_MIB} MiB at least` });
  }
  if (limits.cpus !== null && limits.cpus > availableParallelism()) {
    throw new MentuError('engine_limit_refused', { engine: 'qemu', limit: `cpus: ${limits.cpus}`, reason: `this host has ${availableParallelism()}` });
  }
  return { memoryMiB, processors: limits.cpus === null ? Math.min(DEFAULT_PROCESSORS, availableParallelism()) : Math.ceil(limits.cpus) };
}

function unenforcedOf({ limits: { cpus } }: GuestSpec, processors: number): string[] {
  if (cpus === null || Number.isInteger(cpus)) return [];
  return [`the limit of ${cpus} processors holds as ${processors}: a machine has whole ones`];
}
