/**
 * A guest's control groups, as the host process holds them: made before the guest starts, with its limits in them, and
 * removed with it. The helper moves the guest in, and removes them as well where this process cannot any more.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestLimits } from '../engine.ts';
import { findPlaces, type Controller, type Place } from './hierarchies.ts';
import { newGroupName, sweepLeftovers } from './leftovers.ts';
import { removeGroups } from './removal.ts';

/** Processes and threads that a guest may have at once. No honest job comes near; a fork bomb ends there. */
export const MAX_PROCESSES = 4096;
const MIB = 1024 ** 2;
const PERIOD_US = 100_000;
/** The least that the kernel takes. */
const MIN_QUOTA_US = 1000;

interface Group {
  readonly version: Place['version'];
  readonly folder: string;
  /** Those whose limit is set. */
  readonly controllers: readonly Controller[];
}

export class LimitGroup {
  readonly #groups: readonly Group[];

  /** Makes the groups that this user may make. Throws nothing: `has` tells what could be had. */
  static open(limits: GuestLimits): LimitGroup {
    // The cpu controller is wanted in any case: it weighs a guest's thousand processes as one against ours.
    const wanted: Controller[] = [...(limits.memoryMiB === null ? [] : ['memory' as const]), 'pids', 'cpu'];
    const name = newGroupName();
    const groups = placesFor(wanted).flatMap(({ version, parent, controllers }) => {
      try {
        sweepLeftovers(parent);
        const folder = join(parent, name);
        mkdirSync(folder);
        return [{ version, folder, controllers: controllers.filter((controller) => isSet(version, folder, controller, limits)) }];
      } catch {
        return [];
      }
    });
    return new LimitGroup(groups);
  }

  private constructor(groups: readonly Group[]) {
    this.#groups = groups;
  }

  get folders(): readonly string[] {
    return this.#groups.map(({ folder }) => folder);
  }

  /** The version of cgroups that holds a limit; null where none does. */
  versionOf(controller: Controller): 1 | 2 | null {
    return this.#with(controller)?.version ?? null;
  }

  /** True where the memory limit has ended a process of the guest. */
  get outOfMemory(): boolean {
    const group = this.#with('memory');
    if (!group) return false;
    try {
      const told = readFileSync(join(group.folder, group.version === 1 ? 'memory.oom_control' : 'memory.events'), 'utf8');
      return Number(/^oom_kill (\d+)$/m.exec(told)?.[1] ?? 0) > 0;
    } catch {
      return false; // removed with the guest
    }
  }

  /** To be called when the guest has ended. */
  close(): Promise<void> {
    return removeGroups(this.folders);
  }

  #with(controller: Controller): Group | undefined {
    return this.#groups.find(({ controllers }) => controllers.includes(controller));
  }
}

function placesFor(wanted: readonly Controller[]): Place[] {
  try {
    return findPlaces(wanted);
  } catch {
    return []; // no /proc that tells of them
  }
}

/** Sets a controller's limit, if there is one to set. False where it cannot be. */
function isSet(version: 1 | 2, folder: string, controller: Controller, { cpus, memoryMiB }: GuestLimits): boolean {
  const set = (file: string, value: string | number): void => writeFileSync(join(folder, file), `${value}`);
  try {
    if (controller === 'pids') set('pids.max', MAX_PROCESSES);
    if (controller === 'cpu' && cpus !== null) setProcessors(set, version, cpus);
    if (controller === 'memory' && memoryMiB !== null) setMemory(set, version, memoryMiB * MIB);
    return true;
  } catch {
    return false;
  }
}

type SetFile = (file: string, value: string | number) => void;

function setProcessors(set: SetFile, version: 1 | 2, cpus: number): void {
  const quota = Math.max(MIN_QUOTA_US, Math.round(cpus * PERIOD_US));
  if (version === 2) return set('cpu.max', `${quota} ${PERIOD_US}`);
  set('cpu.cfs_period_us', PERIOD_US);
  try {
    set('cpu.cfs_quota_us', quota);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error; // a group above ours is given less, and so are we
  }
}

/** What is swapped out counts as well, where the kernel keeps that account. */
function setMemory(set: SetFile, version: 1 | 2, bytes: number): void {
  set(version === 1 ? 'memory.limit_in_bytes' : 'memory.max', bytes);
  try {
    if (version === 1) set('memory.memsw.limit_in_bytes', bytes);
    else set('memory.swap.max', 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || hasSwap()) throw error;
  }
}

function hasSwap(): boolean {
  return readFileSync('/proc/swaps', 'utf8').trim().includes('\n');
}
