/**
 * What is around the two programs of a machine, QEMU and the server of its files: bubblewrap with namespaces of their
 * own and a root that holds what they need. Whoever breaks out of the machine finds no network, no process and no file.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { BytePath } from '../root/plan.ts';
import type { Stage } from '../root/stage.ts';

const OPTIONS_FD = 3;
/** The first descriptor that a confined program may be handed beside its first three. */
export const FIRST_FD = 4;

export type Handed = number | 'pipe';

const NAMESPACES = ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--die-with-parent', '--new-session', '--clearenv'];

export interface Confined {
  readonly bwrap: string;
  /** What a test alone leaves out: the program stays in its helper's network, or in all of its helper's namespaces. */
  readonly without: readonly string[];
  readonly stage: Stage;
  /** Bubblewrap's options for the root, and who the program is. */
  readonly options: readonly BytePath[];
  readonly command: readonly string[];
  /** Descriptors from FIRST_FD on. 'pipe' makes a socket pair, whose other end is in `child.stdio`. */
  readonly handed: readonly Handed[];
}

/** Its stdout and stderr are pipes, its stdin is empty. It ends with this process. */
export function startConfined({ bwrap, without, stage, options, command, handed }: Confined): ChildProcess {
  const namespaces = without.includes('confinement') ? ['--die-with-parent'] : [...NAMESPACES, ...(without.includes('network') ? [] : ['--unshare-net'])];
  const list = openSync(stage.file(Buffer.from([...namespaces, ...options].join('\0') + '\0', 'latin1')), 'r');
  try {
    return spawn(bwrap, ['--args', `${OPTIONS_FD}`, '--', ...command], { stdio: ['ignore', 'pipe', 'pipe', list, ...handed], env: {}, cwd: '/' });
  } finally {
    closeSync(list);
  }
}
