/** All that bounds a namespace guest, as the host process holds it: its control groups, its file space, what stands in where there are none. */
import { readFileSync } from 'node:fs';
import type { GuestLimits } from '../engine.ts';
import { fileSpaceOf, type FileSpace } from './file-space.ts';
import { LimitGroup, MAX_PROCESSES } from './group.ts';
import type { Controller } from './hierarchies.ts';

/** What the helper does of it. Plain JSON. */
export interface ControlPlan {
  readonly fileSpace: FileSpace;
  /** Control groups that the guest is put into: folders of the host that are removed with it. */
  readonly groups: readonly string[];
  /** False: the guest runs all the same where it cannot be put into them. */
  readonly required: boolean;
  /** Processes that it may have where no group counts them. */
  readonly processes: number | null;
}

/** For a test that takes the limits away. */
export const UNCONTROLLED: ControlPlan = { fileSpace: { bytes: 2 ** 40, files: 2 ** 30 }, groups: [], required: false, processes: null };

export class GuestControls {
  readonly plan: ControlPlan;
  /** What of the limits does not hold here, a sentence each. */
  readonly unenforced: readonly string[];
  /** By what the number of processes is bounded. */
  readonly facts: Readonly<Record<string, string>>;
  readonly #group: LimitGroup;

  static open(limits: GuestLimits): GuestControls {
    return new GuestControls(limits, LimitGroup.open(limits));
  }

  private constructor(limits: GuestLimits, group: LimitGroup) {
    const { cpus, memoryMiB } = limits;
    const lacks = (controller: Controller): boolean => group.versionOf(controller) === null;
    this.#group = group;
    this.plan = {
      fileSpace: fileSpaceOf(limits),
      groups: group.folders,
      required: (cpus !== null && !lacks('cpu')) || (memoryMiB !== null && !lacks('memory')),
      processes: lacks('pids') ? MAX_PROCESSES : null,
    };
    this.unenforced = [
      ...(cpus !== null && lacks('cpu') ? [`the limit of ${cpus} processors does not hold: no cgroup with the cpu controller can be made here`] : []),
      ...(memoryMiB !== null && lacks('memory')
        ? [`the limit of ${memoryMiB} MiB of memory holds for files in /tmp and the like alone, not for processes: no cgroup with the memory controller can be made here`]
        : []),
    ];
    const pids = group.versionOf('pids');
    this.facts = { processes: pids !== null ? `cgroup v${pids}` : isHostRoot() ? 'unbounded' : 'rlimit' };
  }

  /** The memory limit has ended a process of the guest. */
  get outOfMemory(): boolean {
    return this.#group.outOfMemory;
  }

  /** To be called when the guest has ended. */
  close(): Promise<void> {
    return this.#group.close();
  }
}

/** Root of the machine itself, whom no number of processes is too many. */
function isHostRoot(): boolean {
  return process.getuid?.() === 0 && /^\s*0\s+0\s/m.test(readFileSync('/proc/self/uid_map', 'utf8'));
}
