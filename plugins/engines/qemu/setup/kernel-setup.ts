/** Brings a kernel and a busybox into the store: what is there and whole stays, what is missing is found or fetched. */
import { resolve } from 'node:path';
import { MentuError } from '../../../../core/index.ts';
import type { Busybox } from '../kernel/busybox.ts';
import type { GuestKernel, KernelStore } from '../kernel/store.ts';
import { BUSYBOX_PACKAGE, debianBusybox, hostBusybox } from './busybox.ts';
import { Debian } from './debian.ts';
import { failure } from './failure.ts';
import { METAPACKAGES, debianKernel, hostKernels, type FoundKernel } from './kernels.ts';

export interface KernelSetupOptions {
  readonly store: KernelStore;
  readonly debian: Debian;
  /** Told of each step, in sentences. */
  readonly say: (sentence: string) => void;
  /** Whether a kernel comes up here: null, or what it said last. */
  readonly trial: (kernel: GuestKernel) => Promise<string | null>;
  /** Which kernels of the host are looked at. */
  readonly hostKernels?: string;
}

const NAMING_LINE = 'Name a kernel for x86_64 whose modules are installed: mentu-runtime engine setup qemu --kernel FILE';

export class KernelSetup {
  readonly #options: KernelSetupOptions;

  constructor(options: KernelSetupOptions) {
    this.#options = options;
  }

  /** Resolves to the kernel that guests will boot. `path`: one that is named instead of found. Throws `kernel_unusable` or `engine_setup_failed`. */
  async run(path: string | null): Promise<GuestKernel> {
    const { store } = this.#options;
    const kernel = path === null ? ((await this.#kept()) ?? (await this.#found())) : await this.#named(path);
    store.choose(kernel);
    return kernel;
  }

  async #kept(): Promise<GuestKernel | null> {
    const { store, say } = this.#options;
    const { kernel, reason } = store.state();
    if (kernel === null) {
      if (store.hasChosen()) say(`What was set up before is prepared anew: ${reason}.`);
      return null;
    }
    const damage = store.damageOf(kernel) ?? (store.busybox() === null ? 'its busybox is missing or damaged' : null);
    if (damage !== null) {
      say(`What was set up before is prepared anew: ${damage}.`);
      return null;
    }
    say(`The kernel ${kernel.release} is there already (${kernel.origin}), and every byte of it is as it was written.`);
    return this.#up(kernel);
  }

  async #named(path: string): Promise<GuestKernel> {
    const busybox = await this.#busybox();
    const file = resolve(path);
    return this.#up(await this.#prepare({ file, modules: null, origin: `the file ${file}`, trust: 'It is trusted for being named.' }, busybox));
  }

  async #found(): Promise<GuestKernel> {
    const busybox = await this.#busybox();
    for (const found of hostKernels(this.#passOver, this.#options.hostKernels)) {
      try {
        return await this.#up(await this.#prepare(found, busybox));
      } catch (error) {
        if (!(error instanceof MentuError)) throw error;
        this.#passOver(found.file, String(error.params['reason']));
      }
    }
    return this.#up(await this.#prepare(await this.#fromDebian(METAPACKAGES[0], debianKernel), busybox));
  }

  async #busybox(): Promise<Busybox> {
    const { store, say } = this.#options;
    const kept = store.busybox();
    if (kept !== null) return kept;
    const found = hostBusybox(this.#passOver) ?? (await this.#fromDebian(BUSYBOX_PACKAGE, debianBusybox));
    say(`Took a busybox for the guests' init: ${found.origin}. ${found.trust}`);
    return store.keepBusybox(found);
  }

  async #prepare({ trust, ...source }: Omit<FoundKernel, 'modules'> & { readonly modules: string | null }, busybox: Busybox): Promise<GuestKernel> {
    const { kernel, packedBecause } = await this.#options.store.prepare(source, busybox);
    this.#options.say(`Prepared the kernel ${kernel.release}: ${kernel.origin}. ${trust}`);
    if (packedBecause !== null) this.#options.say(`Guests unpack this kernel at each start, which takes longer: ${packedBecause}.`);
    return kernel;
  }

  async #up(kernel: GuestKernel): Promise<GuestKernel> {
    const words = await this.#options.trial(kernel);
    if (words !== null) throw failure(`the kernel ${kernel.release} (${kernel.origin}) does not come up here: ${words}`, NAMING_LINE);
    return kernel;
  }

  async #fromDebian<Found>(name: string, fetch: (debian: Debian) => Promise<Found>): Promise<Found> {
    if (!Debian.isHere()) {
      throw failure(`this machine has no ${name} and no apt-get to fetch it with`, name === BUSYBOX_PACKAGE ? 'Install a static busybox as /bin/busybox.' : NAMING_LINE);
    }
    try {
      return await fetch(this.#options.debian);
    } catch (error) {
      throw failure(`Debian's package ${name} could not be had: ${error instanceof Error ? error.message : String(error)}`, `See what this says: apt-get update && apt-get download ${name}`, error);
    }
  }

  readonly #passOver = (file: string, reason: string): void => this.#options.say(`Passed over ${file}: ${reason}.`);
}
