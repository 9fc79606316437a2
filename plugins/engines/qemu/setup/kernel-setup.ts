/** Brings a kernel and a busybox into the store: what is there and whole stays, what is missing is found or fetched. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MentuError } from '../../../../core/index.ts';
import type { Busybox } from '../kernel/busybox.ts';
import { makePrivateFolder } from '../kernel/kept-file.ts';
import type { GuestKernel, KernelStore } from '../kernel/store.ts';
import { debianBusybox, hostBusybox } from './busybox.ts';
import { Debian } from './debian.ts';
import { debianKernel, hostKernels } from './kernels.ts';

export interface KernelSetup {
  readonly store: KernelStore;
  /** A kernel that is named instead of found. */
  readonly path: string | null;
  /** Told of each step, in sentences. */
  readonly say: (sentence: string) => void;
}

/** Resolves to the kernel that guests will boot. Throws `kernel_unusable` or `engine_setup_failed`. */
export async function setUpKernel({ store, path, say }: KernelSetup): Promise<GuestKernel> {
  makePrivateFolder(store.folder);
  const scratch = mkdtempSync(join(store.folder, '.draft-'));
  const debian = new Debian(scratch, say);
  try {
    const kept = path === null ? keptKernel(store, say) : null;
    if (kept !== null) return kept;
    const busybox = store.busybox() ?? (await findBusybox(store, debian, say));
    const kernel = path === null ? await findKernel(store, busybox, debian, say) : await prepare(store, { file: path, modules: null, origin: `the file ${path}` }, busybox, say);
    store.choose(kernel);
    return kernel;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function keptKernel(store: KernelStore, say: (sentence: string) => void): GuestKernel | null {
  const { kernel, reason } = store.state();
  const damage = kernel === null ? reason : store.damageOf(kernel);
  if (kernel !== null && damage === null && store.busybox() !== null) {
    say(`The kernel ${kernel.release} is set up already (${kernel.origin}); every byte of it is as it was written.`);
    return kernel;
  }
  if (kernel !== null || store.hasChosen()) say(`What was set up before is prepared anew: ${damage ?? 'its busybox is missing or damaged'}.`);
  return null;
}

async function findBusybox(store: KernelStore, debian: Debian, say: (sentence: string) => void): Promise<Busybox> {
  const passOver = (file: string, reason: string): void => say(`Passed over ${file}: ${reason}.`);
  const found = hostBusybox(passOver) ?? (await fromDebian('busybox-static', () => debianBusybox(debian)));
  say(`Took busybox for the guest's init from ${found.origin}. ${found.trust}`);
  return store.keepBusybox(found);
}

async function findKernel(store: KernelStore, busybox: Busybox, debian: Debian, say: (sentence: string) => void): Promise<GuestKernel> {
  const passOver = (file: string, reason: string): void => say(`Passed over ${file}: ${reason}.`);
  for (const { trust, ...found } of hostKernels(passOver)) {
    try {
      const kernel = await prepare(store, found, busybox, say);
      say(trust);
      return kernel;
    } catch (error) {
      passOver(found.file, error instanceof MentuError ? String(error.params['reason']) : String(error));
    }
  }
  const { trust, ...found } = await fromDebian('linux-image-cloud-amd64', () => debianKernel(debian));
  const kernel = await prepare(store, found, busybox, say);
  say(`${trust} Nothing of it was installed.`);
  return kernel;
}

async function prepare(store: KernelStore, source: { file: string; modules: string | null; origin: string }, busybox: Busybox, say: (sentence: string) => void): Promise<GuestKernel> {
  const { kernel, packedBecause } = await store.prepare(source, busybox);
  say(`Prepared the kernel ${kernel.release} from ${kernel.origin}${packedBecause === null ? '' : `; guests unpack it at each start, for ${packedBecause}`}.`);
  return kernel;
}

async function fromDebian<Found>(name: string, fetch: () => Promise<Found>): Promise<Found> {
  const failed = (reason: string, mend: string, cause?: unknown): MentuError => new MentuError('engine_setup_failed', { engine: 'qemu', reason, mend }, { cause });
  if (!Debian.isHere()) throw failed(`this machine has no ${name}, and no apt-get to fetch it with`, 'Run "mentu-runtime engine setup qemu --kernel FILE" with a kernel for x86_64 whose modules are installed, and install a static busybox as /bin/busybox.');
  try {
    return await fetch();
  } catch (error) {
    throw failed(`Debian's package ${name} could not be had: ${error instanceof Error ? error.message : String(error)}`, `See what this says: apt-get update && apt-get download ${name}`, error);
  }
}
