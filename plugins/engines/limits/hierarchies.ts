/** Where cgroups are mounted, and which of their folders a guest's groups can be made in. */
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Controller = 'cpu' | 'memory' | 'pids';

/** A folder in which this process may make a group whose controllers then work. */
export interface Place {
  readonly version: 1 | 2;
  readonly parent: string;
  readonly controllers: readonly Controller[];
}

interface Hierarchy {
  readonly version: 1 | 2;
  /** Of version 1; version 2 says so in each folder. */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  /** This process's own group. */
  readonly own: string;
}

/** What the kernel tells of this process. */
export interface CgroupFiles {
  /** `/proc/self/mountinfo` */
  readonly mounts: string;
  /** `/proc/self/cgroup` */
  readonly groups: string;
}

export function readCgroupFiles(): CgroupFiles {
  return { mounts: readFileSync('/proc/self/mountinfo', 'utf8'), groups: readFileSync('/proc/self/cgroup', 'utf8') };
}

/** A place for each controller that can be had; several controllers may share one. */
export function findPlaces(wanted: readonly Controller[], files: CgroupFiles = readCgroupFiles()): Place[] {
  const hierarchies = hierarchiesOf(files);
  const places: Place[] = [];
  for (const { version, controllers, own } of hierarchies) {
    const here = wanted.filter((controller) => controllers.includes(controller));
    if (version === 1 && here.length > 0 && isWritable(own)) places.push({ version, parent: own, controllers: here });
  }
  const first = hierarchies.filter(({ version }) => version === 1).flatMap(({ controllers }) => controllers);
  const rest = wanted.filter((controller) => !first.includes(controller));
  const unified = hierarchies.find(({ version }) => version === 2);
  const place = unified && rest.length > 0 ? unifiedPlace(unified, rest) : null;
  return place ? [...places, place] : places;
}

/** The hierarchies that are mounted here with this process's group in sight. */
export function hierarchiesOf({ mounts, groups }: CgroupFiles): Hierarchy[] {
  const own = groups.trim().split('\n').map((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return { controllers: controllers.split(',').filter(Boolean), path };
  });
  return mounts.trim().split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '', mountPoint = ''] = before.split(' ').map(unescaped);
    const [type, , options = ''] = after.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    const named = new Set(options.split(','));
    const mine = own.find(({ controllers }) => (type === 'cgroup2' ? controllers.length === 0 : controllers.length > 0 && controllers.every((name) => named.has(name))));
    const way = mine && within(root, mine.path);
    if (!mine || way === null || way === undefined) return [];
    return [{ version: type === 'cgroup2' ? (2 as const) : (1 as const), controllers: mine.controllers, mountPoint, own: join(mountPoint, way) }];
  });
}

/**
 * The nearest folder, from our own group upwards, where all that is wanted works; else the nearest where most does. A
 * controller works below a folder that names it in `cgroup.subtree_control`. One that has processes is left alone: some
 * controllers could be named there too, but make its groups ones for threads.
 */
function unifiedPlace({ own, mountPoint }: Hierarchy, wanted: readonly Controller[]): Place | null {
  let best: Place | null = null;
  for (let parent = own; ; parent = dirname(parent)) {
    if (isWritable(parent) && (isTopmost(parent) || read(parent, 'cgroup.procs') === '')) {
      const controllers = enabled(parent, wanted);
      if (controllers.length > (best?.controllers.length ?? 0)) best = { version: 2, parent, controllers };
    }
    if (best?.controllers.length === wanted.length || parent === mountPoint || parent === '/') return best;
  }
}

function enabled(folder: string, wanted: readonly Controller[]): Controller[] {
  const working = read(folder, 'cgroup.subtree_control').split(' ');
  const available = read(folder, 'cgroup.controllers').split(' ');
  return wanted.filter((controller) => {
    if (working.includes(controller)) return true;
    if (!available.includes(controller)) return false;
    try {
      writeFileSync(join(folder, 'cgroup.subtree_control'), `+${controller}`);
      return true;
    } catch {
      return false; // not ours to change
    }
  });
}

/** The root of the whole hierarchy, which may have processes beside groups. In a container, none is in sight. */
function isTopmost(folder: string): boolean {
  return !existsSync(join(folder, 'cgroup.type'));
}

function read(folder: string, name: string): string {
  return readFileSync(join(folder, name), 'utf8').trim();
}

/** Groups can be made in it, and processes of ours moved into them. */
function isWritable(folder: string): boolean {
  try {
    for (const path of [folder, join(folder, 'cgroup.procs')]) accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The way from a mount's root to a group; null where the mount does not show it. */
function within(root: string, path: string): string | null {
  if (root === '/' || root === path) return root === path ? '.' : path.slice(1) || '.';
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : null;
}

function unescaped(field: string): string {
  return field.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
