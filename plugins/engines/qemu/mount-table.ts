/**
 * What the guest's own kernel mounts, as lines of an fstab, and the files and folders that this stands on. These come in
 * the job's part of the initramfs, so that no program has to make them.
 */
import type { CpioEntry } from './kernel/cpio.ts';
import { OVERLAY_MODULE } from './kernel/initramfs.ts';
import type { MachinePlan } from './plan.ts';

/** Where the initramfs has the share, the root that is put together from it, and folders in the guest's memory. */
export const SHARE = '/share';
/** In the share: a root of its own, and the job's mounts beside it. The kernel makes no overlay of what others are mounted in. */
export const SHARED_ROOT = '/share/root';
export const SHARED_MOUNTS = '/share/mounts';
export const ROOT = '/new';
const MEMORY = '/memory';
const SHARED_MEMORY = '/.shm';
/** What /dev has beside its devices, before it is copied there. */
export const DEVICES = '/job/devices';
/** A shell that can be started in any root: /dev is the guest's own whatever the root has. */
const SHELL = '/.guest/sh';
export const SHELL_IN_ROOT = `/dev${SHELL}`;
const BUSYBOX = '/bin/busybox';

interface MountLine {
  readonly source: string;
  readonly target: string;
  readonly type?: string;
  readonly options?: string;
}

export interface MountTable {
  /** Lines of an fstab. */
  readonly text: string;
  /** What the lines stand on. A folder comes before what it holds. */
  readonly entries: readonly CpioEntry[];
  /** A module that has to be loaded first. */
  readonly module: string | null;
}

export function mountTable(plan: MachinePlan): MountTable {
  const { mounts, rootfs } = plan;
  const fresh = freshFolders(plan);
  const below = mounts.filter(({ destination }) => rootfs || fresh.some(({ path }) => destination.startsWith(`${path}/`)));
  // What lies in a folder of the guest's memory needs something to be mounted on there.
  const points = below.flatMap(({ destination, directory }) => {
    const folder = fresh.find(({ path }) => destination.startsWith(`${path}/`));
    return folder === undefined ? [] : [{ path: `${MEMORY}${destination}`, directory }];
  });
  const lines: MountLine[] = [
    rootfs
      ? // As a folder in itself, for the share's kernel mounts what the host has mounted there when it is entered.
        { source: 'root', target: ROOT, type: 'overlay', options: `lowerdir=${SHARED_ROOT}/.,upperdir=${MEMORY}/.upper,workdir=${MEMORY}/.work` }
      : { source: SHARE, target: ROOT },
    ...fresh.map(({ path }) => ({ source: `${MEMORY}${path}`, target: `${ROOT}${path}` })),
    ...below.map(({ destination }) => ({ source: `${rootfs ? SHARED_MOUNTS : SHARE}${destination}`, target: `${ROOT}${destination}` })),
    { source: 'sysfs', target: `${ROOT}/sys`, type: 'sysfs', options: 'nosuid,nodev,noexec' },
    { source: 'devpts', target: '/dev/pts', type: 'devpts', options: 'mode=620,ptmxmode=666' },
    { source: `${MEMORY}${SHARED_MEMORY}`, target: '/dev/shm' }, // one bound holds for all that the guest writes: half of its memory
    ...['/dev', '/dev/pts', '/dev/shm'].map((path) => ({ source: path, target: `${ROOT}${path}` })),
    { source: BUSYBOX, target: `${ROOT}${SHELL_IN_ROOT}` },
  ];
  const folders = [
    { path: MEMORY, mode: 0o755 },
    { path: `${MEMORY}${SHARED_MEMORY}`, mode: 0o1777 },
    ...(rootfs ? [{ path: `${MEMORY}/.upper`, mode: 0o755 }, { path: `${MEMORY}/.work`, mode: 0o755 }] : []),
    ...fresh.map(({ path, mode }) => ({ path: `${MEMORY}${path}`, mode })),
    ...(plan.rootfs || plan.without.includes('root') ? [] : [...['lib', 'cache', 'log'].map((name) => ({ path: `${MEMORY}/var/${name}`, mode: 0o755 })), { path: `${MEMORY}/var/tmp`, mode: 0o1777 }]),
    ...points.filter(({ directory }) => directory).map(({ path }) => ({ path, mode: 0o755 })),
  ];
  const links = plan.rootfs || plan.without.includes('root') ? [] : [{ name: `${MEMORY}/var/run`, kind: 'link' as const, mode: 0o777, data: '/run' }];
  const files = [`${DEVICES}${SHELL}`, ...points.filter(({ directory }) => !directory).map(({ path }) => path)];
  return {
    text: lines.map(line).join(''),
    entries: [...withParents(folders, files), ...links, ...files.map((path): CpioEntry => ({ name: path, kind: 'file' }))].map((entry) => ({ ...entry, name: entry.name.slice(1) })),
    module: rootfs ? OVERLAY_MODULE : null,
  };
}

interface Folder {
  readonly path: string;
  readonly mode: number;
}

/** Where a test takes the minimal root away, the host's folders are in their place. */
function freshFolders({ identity, rootfs, without }: MachinePlan): Folder[] {
  const temporary = { path: '/tmp', mode: 0o1777 };
  if (rootfs) return [temporary, ...rootfs.fresh.map((path) => ({ path, mode: 0o700 }))];
  const home = { path: identity.home, mode: 0o700 };
  return without.includes('root') ? [home] : [temporary, ...['/run', '/var'].map((path) => ({ path, mode: 0o755 })), home];
}

/** Every folder once, and those above it first. */
function withParents(folders: readonly Folder[], files: readonly string[]): CpioEntry[] {
  const modes = new Map<string, number>();
  const add = (path: string, mode: number): void => {
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (parent !== '' && !modes.has(parent)) add(parent, 0o755);
    if (!modes.has(path)) modes.set(path, mode);
  };
  for (const { path, mode } of folders) add(path, mode);
  for (const file of files) add(file.slice(0, file.lastIndexOf('/')), 0o755);
  return Array.from(modes, ([name, mode]) => ({ name, kind: 'folder', mode }));
}

function line({ source, target, type = 'none', options = 'bind' }: MountLine): string {
  return `${escaped(source)} ${escaped(target)} ${type} ${options} 0 0\n`;
}

/** fstab(5): white space and backslashes are octal. */
function escaped(path: string): string {
  return path.replace(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
