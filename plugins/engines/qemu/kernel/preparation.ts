/** Makes of a kernel and its modules what a guest boots. */
import { readFileSync } from 'node:fs';
import { readKernel } from './bzimage.ts';
import { initText, initramfs } from './initramfs.ts';
import { sha256 } from './kept-file.ts';
import { ModuleFolder } from './module-set.ts';
import { demandsSignatures, moduleFolders, modulesOf } from './source.ts';

/** Of how a kernel is prepared; another number has every kernel prepared anew. */
export const FORMAT = 2;

/** Hashes of what the key is made of. */
export interface Ingredients {
  readonly image: string;
  /** In the order in which they load. */
  readonly modules: readonly { readonly name: string; readonly sha256: string }[];
  readonly busybox: string;
}

export interface PreparedKernel {
  readonly release: string;
  readonly image: Buffer;
  readonly initramfs: Buffer;
  readonly ingredients: Ingredients;
  /** Where the bzImage is booted as it is: why. */
  readonly packedBecause: string | null;
}

/** It changes with the text of our init as well. */
export function keyOf({ image, modules, busybox }: Ingredients): string {
  const names = modules.map(({ name }) => name);
  return sha256(JSON.stringify([FORMAT, image, modules.map((module) => [module.name, module.sha256]), busybox, initText(names)]));
}

/** `modules` null: they are looked for beside the file and in the system's folders. Throws an `Error` that says what is wrong with the kernel. */
export async function prepareKernel({ file, modules }: { file: string; modules: string | null }, busybox: string): Promise<PreparedKernel> {
  const { release, image, packedBecause } = await readKernel(readFileSync(file), busybox);
  const folder = modules ?? modulesOf(file, release);
  if (folder === null) throw new Error(`its modules are in none of ${moduleFolders(file, release).join(', ')}`);
  const loaded = await new ModuleFolder(folder).load(release, { busybox, keepSignature: demandsSignatures(file, folder) });
  const program = readFileSync(busybox);
  return {
    release,
    image,
    initramfs: initramfs({ release, busybox: program, modules: loaded }),
    ingredients: { image: sha256(image), modules: loaded.map(({ name, bytes }) => ({ name, sha256: sha256(bytes) })), busybox: sha256(program) },
    packedBecause,
  };
}
