/** Where setup finds a kernel: the host's own ones, or Debian's package. */
import { closeSync, globSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { releaseOf } from '../kernel/bzimage.ts';
import { ModuleFolder } from '../kernel/module-set.ts';
import { modulesOf } from '../kernel/source.ts';
import type { Debian } from './debian.ts';

export interface FoundKernel {
  readonly file: string;
  readonly modules: string;
  readonly origin: string;
  /** Why it is trusted, as a sentence. */
  readonly trust: string;
}

/** Without drivers of real hardware, so a third of the size. */
export const METAPACKAGES = ['linux-image-cloud-amd64', 'linux-image-amd64'];
const KERNEL_PACKAGE = /^linux-image-\d\S*-amd64$/;
const HOST_KERNELS = '/boot/vmlinuz-*';
/** The header of a bzImage, with the text of its release. */
const HEADER_BYTES = 64 * 1024;

/** The host's kernels that can be read and have what a guest needs, the best first. `passOver` is told of the others. */
export function hostKernels(passOver: (file: string, reason: string) => void, pattern = HOST_KERNELS): FoundKernel[] {
  const found: (FoundKernel & { release: string })[] = [];
  for (const file of globSync(pattern)) {
    try {
      const release = releaseOf(beginning(file));
      const modules = modulesOf(file, release);
      if (modules === null) throw new Error('its modules are not installed');
      const { lacking } = new ModuleFolder(modules);
      if (lacking.length > 0) throw new Error(`it has no ${lacking.join(', ')}`);
      found.push({ file, modules, release, origin: `the host's ${file}`, trust: "It is this machine's own." });
    } catch (error) {
      passOver(file, error instanceof Error ? error.message : String(error));
    }
  }
  const isCloud = (release: string): number => (release.includes('cloud') ? 1 : 0);
  return found.sort((a, b) => isCloud(b.release) - isCloud(a.release) || compareReleases(b.release, a.release));
}

/** Fetches Debian's kernel for clouds, else the one for everything. */
export async function debianKernel(debian: Debian): Promise<FoundKernel> {
  const failures: string[] = [];
  for (const metapackage of METAPACKAGES) {
    try {
      const { name, version, trust, folder } = await debian.unpackDependency(metapackage, KERNEL_PACKAGE);
      const [file] = globSync(join(folder, 'boot/vmlinuz-*'));
      const modules = file === undefined ? null : modulesOf(file, releaseOf(beginning(file)));
      if (file === undefined || modules === null) throw new Error(`the package ${name} has no kernel with modules`);
      return { file, modules, origin: `Debian package ${name} ${version}`, trust };
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error([...new Set(failures)].join('; '));
}

/** As the newest of versions: numbers by their value. */
export function compareReleases(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function beginning(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(HEADER_BYTES);
    return bytes.subarray(0, readSync(fd, bytes, 0, HEADER_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}
