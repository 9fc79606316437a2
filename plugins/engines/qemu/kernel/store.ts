/** The kernels that guests boot, prepared and kept in a folder of the user. */
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MentuError } from '../../../../core/index.ts';
import { flawOf, type Busybox } from './busybox.ts';
import { KernelFolder, type GuestKernel, type KernelContent } from './kernel-folder.ts';
import { makePrivateFolder, readKeptJson, removeOldDrafts, sha256, writeKept } from './kept-file.ts';
import { keyOf, prepareKernel } from './preparation.ts';

export type { GuestKernel } from './kernel-folder.ts';

/** What setup chose. */
const CURRENT = 'current.json';
const BUSYBOX = 'busybox';
/** So many kernels are kept beside the current one. */
const KEPT_KERNELS = 4;

export interface KernelState {
  readonly kernel: GuestKernel | null;
  /** Why there is none. */
  readonly reason: string | null;
}

export class KernelStore {
  readonly folder: string;
  readonly #kernels: string;

  /** `$MENTU_HOME/engines/qemu`; it is made when something is kept. */
  constructor(folder: string) {
    this.folder = resolve(folder);
    this.#kernels = join(this.folder, 'kernels');
  }

  /** The kernel that setup chose, or null. On the way of every guest: it reads two small files. */
  async current(): Promise<GuestKernel | null> {
    return this.state().kernel;
  }

  /** As `current`, with the reason where there is none. */
  state(): KernelState {
    const chosen = readKeptJson(join(this.folder, CURRENT)) as { readonly key?: unknown } | null;
    if (!isKey(chosen?.key)) return { kernel: null, reason: 'no kernel is set up' };
    const folder = this.#kernel(chosen.key);
    const kernel = folder.read();
    if (typeof kernel !== 'string') return { kernel, reason: null };
    const renewed = this.#renew(folder);
    return renewed ? { kernel: renewed, reason: null } : { kernel: null, reason: `the kernel that was set up cannot be used: ${kernel}` };
  }

  /** Setup was here before, whatever is left of it. */
  hasChosen(): boolean {
    return existsSync(join(this.folder, CURRENT));
  }

  /** A kernel that a profile or a configuration names, prepared when it is first named and when it has changed. Throws `kernel_unusable`. */
  async named(path: string): Promise<GuestKernel> {
    const file = resolve(path);
    const record = join(this.folder, `named-${sha256(file).slice(0, 32)}.json`);
    const identity = identityOf(file);
    const known = readKeptJson(record) as { readonly identity?: unknown; readonly key?: unknown } | null;
    if (known?.identity === identity && isKey(known.key)) {
      const kernel = this.#kernel(known.key).read();
      if (typeof kernel !== 'string') return kernel;
    }
    const busybox = this.busybox();
    if (busybox === null) throw new MentuError('kernel_unusable', { file, reason: 'there is no busybox to start it with', mend: 'Run "mentu-runtime engine setup qemu" once; it brings one.' });
    const { kernel } = await this.prepare({ file, modules: null, origin: `the file ${file}` }, busybox);
    writeKept(record, `${JSON.stringify({ identity, key: kernel.key })}\n`);
    return kernel;
  }

  /**
   * Prepares a kernel and keeps it. `modules` null: they are looked for beside the file and in the system's folders.
   * `packedBecause`: why the kernel is booted as it is, which takes longer; null where it was unpacked.
   */
  async prepare({ file, modules, origin }: { file: string; modules: string | null; origin: string }, busybox: Busybox): Promise<{ kernel: GuestKernel; packedBecause: string | null }> {
    identityOf(file);
    let prepared;
    try {
      prepared = await prepareKernel({ file, modules }, busybox.file);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new MentuError('kernel_unusable', { file, reason, mend: 'Name a kernel for x86_64 whose modules are installed, or name none and run "mentu-runtime engine setup qemu".' }, { cause: error });
    }
    return { kernel: this.#keep({ ...prepared, origin }), packedBecause: prepared.packedBecause };
  }

  /** Makes a prepared kernel the current one, and forgets the oldest ones. */
  choose(kernel: GuestKernel): void {
    writeKept(join(this.folder, CURRENT), `${JSON.stringify({ key: kernel.key })}\n`);
    this.#forget(kernel.key);
  }

  /** Null where every byte of a kept kernel is as it was written. */
  damageOf(kernel: GuestKernel): string | null {
    return this.#kernel(kernel.key).damage();
  }

  /** The busybox that was kept, or null where there is none that works. */
  busybox(): Busybox | null {
    const file = join(this.folder, BUSYBOX);
    const known = readKeptJson(`${file}.json`) as { readonly origin?: unknown; readonly sha256?: unknown } | null;
    if (typeof known?.origin !== 'string' || !existsSync(file) || sha256(readFileSync(file)) !== known.sha256) return null;
    return { file, origin: known.origin };
  }

  /** Keeps a copy. Throws an `Error` where it cannot be a guest's. */
  keepBusybox({ file, origin }: Busybox): Busybox {
    const flaw = flawOf(file);
    if (flaw !== null) throw new Error(`the busybox ${file} cannot be used: ${flaw}`);
    const bytes = readFileSync(file);
    const kept = join(this.folder, BUSYBOX);
    makePrivateFolder(this.folder);
    writeKept(kept, bytes, 0o700);
    writeKept(`${kept}.json`, `${JSON.stringify({ origin, sha256: sha256(bytes) })}\n`);
    return { file: kept, origin };
  }

  #kernel(key: string): KernelFolder {
    return new KernelFolder(this.#kernels, key);
  }

  #keep(content: KernelContent): GuestKernel {
    const folder = this.#kernel(keyOf(content.ingredients));
    makePrivateFolder(this.folder);
    makePrivateFolder(this.#kernels);
    folder.write(content);
    const kernel = folder.read();
    if (typeof kernel === 'string') throw new MentuError('kernel_store_unsafe', { folder: this.folder, reason: kernel });
    return kernel;
  }

  /** After an update of this program. */
  #renew(folder: KernelFolder): GuestKernel | null {
    const content = folder.renewed();
    if (content === null) return null;
    const kernel = this.#keep(content);
    this.choose(kernel);
    return kernel;
  }

  #forget(current: string): void {
    for (const folder of [this.folder, ...readdirSync(this.#kernels).map((key) => join(this.#kernels, key))]) removeOldDrafts(folder);
    const others = readdirSync(this.#kernels).filter((key) => key !== current);
    const age = (key: string): number => statSync(join(this.#kernels, key), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    for (const key of others.sort((a, b) => age(b) - age(a)).slice(KEPT_KERNELS)) rmSync(join(this.#kernels, key), { recursive: true, force: true });
  }
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

/** Changes when the file does. Throws `kernel_unusable` where there is none. */
function identityOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
  if (!stat?.isFile()) throw new MentuError('kernel_unusable', { file, reason: stat ? 'it is no file' : 'it does not exist', mend: 'Name the vmlinuz or vmlinux of a kernel.' });
  return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':');
}
