/** What a confined program of the system sees of the host's files. */
import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import type { BytePath } from './plan.ts';

const BESIDE_USR = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'] as const;

/** Bubblewrap's options for the system's programs and libraries, without anything of /etc but what the loader reads. */
export function systemPrograms(): BytePath[] {
  const beside = BESIDE_USR.filter((path) => existsSync(path));
  return [
    ...['--ro-bind', '/usr', '/usr'],
    ...beside.flatMap((path) => (lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path])),
    ...['--ro-bind-try', '/etc/ld.so.cache', '/etc/ld.so.cache'],
  ];
}
