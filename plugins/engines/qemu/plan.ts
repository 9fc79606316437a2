/** What the host tells its helper of the machine to start. Plain JSON. */
import type { RootPlan } from '../root/plan.ts';
import type { Guard } from './guards.ts';

export type Accelerator = 'kvm' | 'tcg';

export interface MachineTools {
  readonly bwrap: string;
  readonly qemu: string;
  readonly virtiofsd: string;
}

export interface MachinePlan extends RootPlan {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** `mark`: what the guest writes before and behind what the command shows. */
  readonly terminal: { readonly columns: number; readonly rows: number } | null;
  /** What the guest puts behind its output, and on a terminal before it as well: nothing that a command would write. */
  readonly mark: string;
  readonly kernel: { readonly image: string; readonly initramfs: string };
  readonly accelerator: Accelerator;
  /** Ticks of the host's time-stamp counter in a millisecond; null leaves it to the guest's kernel to find out. */
  readonly tscKhz: number | null;
  /** A kernel that has not come up within this is taken for one that does not boot. */
  readonly bootLimitMs: number;
  readonly processors: number;
  readonly memoryMiB: number;
  readonly tools: MachineTools;
  readonly without: readonly Guard[];
}
