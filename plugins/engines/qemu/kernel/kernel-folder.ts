/** The folder of one prepared kernel: what QEMU boots, and a manifest that is written last, so that what has one is whole. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { withOwnInit } from './initramfs.ts';
import { makePrivateFolder, readKeptJson, sha256, writeKept } from './kept-file.ts';
import { FORMAT, keyOf, type Ingredients } from './preparation.ts';

export interface GuestKernel {
  /** Absolute path of what QEMU boots: an unpacked vmlinux (ELF), or the bzImage where it cannot be unpacked. */
  readonly image: string;
  /** Absolute path. */
  readonly initramfs: string;
  /** `uname -r` of the guest. */
  readonly release: string;
  /** For people: where the kernel comes from. */
  readonly origin: string;
  /** Hash of kernel, modules, busybox and the text of init: what the cache is keyed by. */
  readonly key: string;
}

export interface KernelContent {
  readonly image: Buffer;
  readonly initramfs: Buffer;
  readonly release: string;
  readonly origin: string;
  readonly ingredients: Ingredients;
}

interface KeptFile {
  readonly bytes: number;
  readonly sha256: string;
}

interface Manifest extends Pick<GuestKernel, 'release' | 'origin'> {
  readonly format: typeof FORMAT;
  readonly ingredients: Ingredients;
  readonly image: KeptFile;
  readonly initramfs: KeptFile;
}

const FILES = ['image', 'initramfs'] as const;
const MANIFEST = 'manifest.json';

export class KernelFolder {
  readonly key: string;
  readonly #folder: string;

  /** `kernels`: the folder that holds one for each key. */
  constructor(kernels: string, key: string) {
    this.key = key;
    this.#folder = join(kernels, key);
  }

  /** The kernel, after a look at its sizes alone; else why there is none. */
  read(): GuestKernel | string {
    const manifest = this.#manifest();
    if (typeof manifest === 'string') return manifest;
    if (keyOf(manifest.ingredients) !== this.key) return 'its init is that of another version of this program';
    const changed = FILES.find((name) => statSync(this.#path(name), { throwIfNoEntry: false })?.size !== manifest[name].bytes);
    if (changed !== undefined) return `${this.#path(changed)} is missing or damaged`;
    return { image: this.#path('image'), initramfs: this.#path('initramfs'), release: manifest.release, origin: manifest.origin, key: this.key };
  }

  /** Null where every byte is as it was written, else what is not. */
  damage(): string | null {
    const manifest = this.#manifest();
    if (typeof manifest === 'string') return manifest;
    for (const name of FILES) {
      const bytes = this.#bytes(name);
      if (bytes === null || sha256(bytes) !== manifest[name].sha256) return `${this.#path(name)} is missing or damaged`;
    }
    return null;
  }

  /** Two writers of one key write the same bytes, and each file is whole at every moment. */
  write({ image, initramfs, release, origin, ingredients }: KernelContent): void {
    makePrivateFolder(this.#folder);
    const keep = (name: (typeof FILES)[number], bytes: Buffer): KeptFile => {
      writeKept(this.#path(name), bytes);
      return { bytes: bytes.length, sha256: sha256(bytes) };
    };
    const files = { image: keep('image', image), initramfs: keep('initramfs', initramfs) };
    const manifest: Manifest = { format: FORMAT, release, origin, ingredients, ...files };
    writeKept(this.#path(MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  }

  /** What an older version of this program prepared, with the init of this one. Null where that cannot be. */
  renewed(): KernelContent | null {
    const manifest = this.#manifest();
    if (typeof manifest === 'string' || this.damage() !== null) return null;
    const { release, origin, ingredients } = manifest;
    const modules = ingredients.modules.map(({ name }) => name);
    return { image: this.#bytes('image')!, initramfs: withOwnInit(this.#bytes('initramfs')!, release, modules), release, origin, ingredients };
  }

  #manifest(): Manifest | string {
    const manifest = readKeptJson(this.#path(MANIFEST)) as Partial<Manifest> | null;
    if (manifest === null) return `${this.#path(MANIFEST)} is missing or damaged`;
    if (manifest.format !== FORMAT) return 'it was prepared by another version of this program';
    return manifest.ingredients && manifest.image && manifest.initramfs ? (manifest as Manifest) : `${this.#path(MANIFEST)} is damaged`;
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #bytes(name: string): Buffer | null {
    try {
      return readFileSync(this.#path(name));
    } catch {
      return null;
    }
  }
}
