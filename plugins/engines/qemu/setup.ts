/** Sets the engine up: finds what a guest needs, mends what is missing, and boots a kernel once to see that it does. */
import { Accelerators, probeBoot } from './accelerator.ts';
import { examine } from './examination.ts';
import { KernelStore } from './kernel/store.ts';
import type { GuestKernel } from './kernel/store.ts';
import type { Accelerator } from './plan.ts';
import { Debian } from './setup/debian.ts';
import { failure } from './setup/failure.ts';
import { KernelSetup } from './setup/kernel-setup.ts';
import { setUpPrograms } from './setup/programs.ts';

export interface QemuSetupOptions {
  /** `$MENTU_HOME/engines/qemu` */
  readonly home: string;
  /** A kernel's file to take; null: the one that is there, else one of the host or of Debian. */
  readonly kernel: string | null;
  /** Told of each step, in sentences: what was done, and why what came of it is trusted. */
  readonly say: (sentence: string) => void;
  /** A kernel that has not come up within this is taken for one that does not. */
  readonly bootLimitMs?: number;
}

export interface QemuSetup {
  readonly kernel: GuestKernel;
  readonly accelerator: Accelerator;
}

const BOOT_LIMIT_MS = 30_000;
const TOLD_LINES = 6;

/** Throws `engine_setup_failed` or `kernel_unusable`, each with the one line that mends it. */
export async function setupQemu({ home, kernel: path, say, bootLimitMs = BOOT_LIMIT_MS }: QemuSetupOptions): Promise<QemuSetup> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw failure(`it has not been tried on ${process.platform} on ${process.arch}`, 'Use Linux on x86_64 for it; the engine "namespace" works on other Linux machines.');
  }
  return Debian.within(home, say, async (debian) => {
    await setUpPrograms({ debian, say });
    await requireMachine(home);
    const accelerators = new Accelerators(home);
    let accelerator: Accelerator = 'tcg';
    const trial = async (kernel: GuestKernel): Promise<string | null> => {
      accelerator = await accelerators.choose(kernel);
      const { up, milliseconds, words } = await probeBoot(kernel, accelerator, await accelerators.tscKhz(), bootLimitMs);
      if (up) say(`It came up in ${(milliseconds / 1000).toFixed(1)} s under ${accelerator === 'kvm' ? 'KVM' : "QEMU's own translation (TCG): this machine offers no hardware virtualisation that works"}.`);
      return up ? null : (lastWords(words) ?? `it said nothing within ${bootLimitMs / 1000} s`);
    };
    const kernel = await new KernelSetup({ store: new KernelStore(home), debian, say, trial }).run(path);
    return { kernel, accelerator };
  });
}

/** What else the machine has to offer, which nobody but its owner can mend. */
async function requireMachine(home: string): Promise<void> {
  const lacking = (await examine(home)).find(({ name, ok }) => !ok && name !== 'kernel');
  if (lacking) throw failure(`${lacking.name}: ${lacking.detail}`, `To mend it: ${lacking.mend}`);
}

function lastWords(words: string): string | null {
  const lines = words.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '');
  return lines.length === 0 ? null : `its last words were: ${lines.slice(-TOLD_LINES).join(' | ')}`;
}
