/** The job's mounts, checked and planned: where they come from in truth, and what in them is covered. */
import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize, relative } from 'node:path';
import { MentuError } from '../../../core/index.ts';
import type { GuestSpec, Mount } from '../engine.ts';
import { below, bytes, named } from './paths.ts';
import type { BytePath, Cover, PlannedMount } from './plan.ts';
import { walkShare } from './shares.ts';

/** File systems of the kernel: a share of them would show the host's processes and devices. */
export const KERNEL_TREES = ['/proc', '/sys', '/dev'] as const;

export async function planMounts(spec: Pick<GuestSpec, 'mounts' | 'maskedNames' | 'hiddenPaths'>): Promise<PlannedMount[]> {
  const hidden = spec.hiddenPaths.filter((path) => existsSync(path)).map((path) => realpathSync(path));
  const checked = spec.mounts.map((mount) => check(mount, spec.maskedNames, hidden));
  refuseTwice(checked);
  refuseLinked(checked);
  for (const path of spec.hiddenPaths) if (!existsSync(path)) refuseMissing(path, checked);
  const walked = await Promise.all(
    checked.map(async (mount) => ({
      mount,
      content: mount.directory ? await walkShare(mount.source, spec.maskedNames) : { masks: [], sockets: [], maskedLinks: [] },
    })),
  );
  // A link cannot be covered; what it leads to can, where it lies in a share at all.
  const targets = walked.flatMap(({ mount, content }) => content.maskedLinks.flatMap((link) => targetOf(`${bytes(mount.source)}/${link}`)));
  const covered = [...hidden.map(bytes), ...targets];
  const planned = walked.map(({ mount, content }) => ({
    ...mount,
    masks: outermost([...content.masks, ...covered.flatMap((path) => coverIn(bytes(mount.source), path))]),
    sockets: content.sockets,
  }));
  refuseMovable(planned);
  return planned.toSorted((a, b) => (a.destination < b.destination ? -1 : 1)); // a mount before what is mounted in it
}

/**
 * A cover is fixed to one mount. In a writable share a guest can move a folder above a cover, and the cover goes with
 * it there; another mount of the same tree would then show what was covered.
 */
function refuseMovable(mounts: readonly PlannedMount[]): void {
  for (const mount of mounts.filter(({ readOnly }) => !readOnly)) {
    const movable = [...mount.masks.map(({ path }) => path), ...mount.sockets].some((path) => path.includes('/'));
    const other = mounts.find((candidate) => candidate !== mount && overlap(candidate.source, mount.source));
    if (!movable || other === undefined) continue;
    const { source, destination } = mount;
    throw new MentuError('engine_mount_refused', {
      source,
      destination,
      reason: `it is writable, holds what guests must not see, and shares a tree with the mount of ${other.source}`,
    });
  }
}

function overlap(one: string, other: string): boolean {
  return below(one, other) !== null || below(other, one) !== null;
}

function check(mount: Mount, maskedNames: readonly string[], hidden: readonly string[]): Omit<PlannedMount, 'masks' | 'sockets'> {
  const refuse = (reason: string): never => {
    throw new MentuError('engine_mount_refused', { source: mount.source, destination: mount.destination, reason });
  };
  const destination = normalize(mount.destination).replace(/(.)\/$/, '$1');
  if (!isAbsolute(mount.destination) || destination === '/') refuse('the destination must be an absolute path below /');
  if (/[\0]/.test(mount.source + mount.destination)) refuse('a path holds a NUL character');
  if (!isAbsolute(mount.source)) refuse('the source must be an absolute path');
  let source = '';
  try {
    source = realpathSync(mount.source);
  } catch (error) {
    refuse(`the source cannot be opened (${(error as NodeJS.ErrnoException).code})`);
  }
  if (source === '/') refuse('the whole root cannot be shared');
  for (const tree of KERNEL_TREES) {
    if (below(tree, source) !== null) refuse(`the source lies in ${tree}`);
    if (below(tree, destination) !== null) refuse(`the destination lies in ${tree}`);
  }
  const found = statSync(source);
  if (!found.isDirectory() && !found.isFile()) refuse('the source is neither a folder nor a regular file');
  const name = source.split('/').find((part) => maskedNames.includes(part));
  if (name !== undefined) refuse(`guests never see what lies in ${name}`);
  const within = hidden.find((path) => below(path, source) !== null);
  if (within !== undefined) refuse(`guests never see what lies in ${within}`);
  return { source, destination, readOnly: mount.readOnly, directory: found.isDirectory() };
}

function refuseTwice(mounts: readonly { source: string; destination: string }[]): void {
  const seen = new Set<string>();
  for (const { source, destination } of mounts) {
    if (seen.has(destination)) throw new MentuError('engine_mount_refused', { source, destination, reason: 'two mounts have this destination' });
    seen.add(destination);
  }
}

/**
 * The way to a mount within another is walked in the other's source. A link on it, which a guest may have left there,
 * would lead whoever makes the place for the mount to anywhere on the host.
 */
function refuseLinked(mounts: readonly { source: string; destination: string }[]): void {
  for (const { source, destination } of mounts) {
    for (const other of mounts.filter((each) => each.destination !== destination)) {
      const way = below(other.destination, destination)?.split('/') ?? [];
      const link = way.map((_, depth) => join(other.source, ...way.slice(0, depth + 1))).find(isLink);
      if (link !== undefined) throw new MentuError('engine_mount_refused', { source, destination, reason: `it lies in the mount of ${other.source}, where ${link} is a link` });
    }
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false; // not there, or below what is no folder
  }
}

/** What is not there cannot be covered, and where it would lie in a share, a guest could create it. */
function refuseMissing(path: string, mounts: readonly { source: string }[]): void {
  let above = dirname(path);
  while (!existsSync(above)) above = dirname(above);
  const place = join(realpathSync(above), relative(above, path));
  if (mounts.some(({ source }) => below(source, place) !== null)) throw new MentuError('engine_hidden_missing', { path });
}

function targetOf(link: BytePath): BytePath[] {
  try {
    return [realpathSync(named(link), 'latin1')];
  } catch {
    return []; // leads nowhere
  }
}

function coverIn(source: BytePath, path: BytePath): Cover[] {
  const way = below(source, path);
  if (way === null || way === '') return [];
  return [{ path: way, directory: statSync(named(path)).isDirectory() }];
}

/** A cover within a covered folder has nothing to stand on. */
function outermost(covers: readonly Cover[]): Cover[] {
  const unique = new Map(covers.map((cover) => [cover.path, cover]));
  return [...unique.values()].filter(({ path }) => {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      if (unique.has(path.slice(0, end))) return false;
    }
    return true;
  });
}
