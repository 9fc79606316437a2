/** Where setup finds a busybox that needs no libraries: the host's, or Debian's package. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { flawOf, type Busybox } from '../kernel/busybox.ts';
import type { Debian } from './debian.ts';

export interface FoundBusybox extends Busybox {
  /** Why it is trusted, as a sentence. */
  readonly trust: string;
}

const HOST_PLACES = ['/bin/busybox', '/usr/bin/busybox'];
export const BUSYBOX_PACKAGE = 'busybox-static';

/** Null where the host has none. `passOver` is told of those that do not do. */
export function hostBusybox(passOver: (file: string, reason: string) => void, places: readonly string[] = HOST_PLACES): FoundBusybox | null {
  for (const file of places.filter((each) => existsSync(each))) {
    const flaw = flawOf(file);
    if (flaw === null) return { file, origin: `the host's ${file}`, trust: "It is this machine's own." };
    passOver(file, flaw);
  }
  return null;
}

export async function debianBusybox(debian: Debian): Promise<FoundBusybox> {
  const { name, version, trust, folder } = await debian.unpack(BUSYBOX_PACKAGE);
  const file = HOST_PLACES.map((path) => join(folder, path)).find((path) => existsSync(path));
  if (file === undefined) throw new Error(`the package ${name} has no busybox`);
  return { file, origin: `Debian package ${name} ${version}`, trust };
}
