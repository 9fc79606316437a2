/** Puts the guest's root together on the stage and says in bubblewrap's options how it is mounted. */
import { copyFileSync, existsSync, lstatSync, readdirSync, readlinkSync, realpathSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ETC_FILES, ownFiles, shownFolders } from './etc.ts';
import { below, bytes } from './paths.ts';
import type { BytePath, LayerFile, PlannedMount, RootPlan, RootfsPlan } from './plan.ts';
import type { Stage } from './stage.ts';
import { write } from './stage.ts';

/** Folders of the root that are links into /usr, or folders of their own where /usr is not merged. */
const BESIDE_USR = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'] as const;

/** Options in the order in which bubblewrap carries them out, as byte strings. */
type Options = BytePath[];

export interface Layout {
  /** The folder of bubblewrap's own root where the guest's is put together; '' where the two are one. */
  readonly at: string;
  /**
   * Where the job's mounts lie, if not in the root: a guest that makes an overlay of its root finds nothing in it that is
   * mounted there by the host.
   */
  readonly mountsAt?: string;
  /** What goes on top of the system's folders and below the job's mounts: the kernel's file systems and fresh folders. */
  readonly between: Options;
}

export async function layRoot(stage: Stage, plan: RootPlan, { at, mountsAt = at, between }: Layout): Promise<Options> {
  const { rootfs } = plan;
  if (rootfs) return [...bareRoot(stage, plan, rootfs, at), ...between, ...plan.mounts.flatMap((mount) => share(stage, plan, mountsAt, mount))];
  const files = (folder: string): LayerFile[] => plan.trust.flatMap(({ path, content }) => inFolder(folder, path, content));
  return [
    ...(await systemFolders(stage, plan, at, files)),
    ...['--ro-bind', plan.without.includes('etc') ? '/etc' : etc(stage, plan), `${at}/etc`],
    ...between,
    ...(plan.without.includes('root') ? hostFolders(plan, at) : []),
    ...plan.mounts.flatMap((mount) => share(stage, plan, mountsAt, mount)),
  ];
}

/** A root in place of the host's. Where a test takes the guard away, the folder itself. */
function bareRoot(stage: Stage, { without }: RootPlan, rootfs: RootfsPlan, at: string): Options {
  if (without.includes('rootfs')) return ['--bind', bytes(rootfs.folder), at || '/'];
  if (!rootfs.writable) return ['--ro-bind', stage.rooted(rootfs), at || '/'];
  const fresh = rootfs.fresh.flatMap((path) => ['--bind', stage.fresh(0o700), `${at}${bytes(path)}`]);
  return ['--bind', stage.rooted(rootfs), at || '/', ...fresh];
}

/** What a guest sees where a test takes its minimal root away: the host's folders, but where something of ours goes. */
function hostFolders(plan: RootPlan, at: string): Options {
  const first = (path: string): string => path.split('/')[1] ?? '';
  const ours = ['usr', 'etc', 'proc', 'sys', 'dev', ...BESIDE_USR, first(plan.identity.home), ...plan.mounts.map(({ destination }) => first(destination))];
  const folders = readdirSync('/', { withFileTypes: true }).filter((entry) => entry.isDirectory() && !ours.includes(entry.name));
  return folders.flatMap(({ name }) => ['--bind', `/${bytes(name)}`, `${at}/${bytes(name)}`]);
}

function inFolder(folder: string, path: string, content: LayerFile['content']): LayerFile[] {
  const way = below(folder, path);
  return way === null || way === '' ? [] : [{ path: way, content }];
}

/** What a mount of the job needs to be mounted on. */
function emptyFor(mount: PlannedMount): LayerFile['content'] {
  return mount.directory ? 'folder' : { text: '' };
}

/** /usr and what lies beside it. Mounts of the job that go below /usr need a folder, or a file, to be mounted on. */
async function systemFolders(stage: Stage, plan: RootPlan, at: string, trusted: (folder: string) => LayerFile[]): Promise<Options> {
  const beside = BESIDE_USR.map((name) => `/${name}`).filter((path) => existsSync(path));
  const links = beside.filter((path) => lstatSync(path).isSymbolicLink());
  const folders = ['/usr', ...beside.filter((path) => !links.includes(path))];
  const options = links.flatMap((path) => ['--symlink', bytes(readlinkSync(path)), `${at}${path}`]);
  for (const folder of folders) {
    const points = plan.mounts.flatMap((mount) => inFolder(folder, realDestination(mount.destination), emptyFor(mount)));
    const { path, sealed } = stage.layered(folder, [...trusted(folder), ...points.filter((point) => !existsSync(join(folder, point.path)))]);
    options.push('--ro-bind', path, `${at}${folder}`);
    if (!sealed && !plan.without.includes('sockets')) {
      const { walkShare } = await import('./shares.ts'); // rarely needed, and slow to load
      const { sockets } = await walkShare(folder, []);
      options.push(...sockets.flatMap((socket) => ['--ro-bind', stage.closedFile, `${at}${folder}/${socket}`]));
    }
  }
  return options;
}

/** Where a path of the guest lies once the links above it are followed, as far as they are the host's too. */
function realDestination(path: string): string {
  const parent = dirname(path);
  if (parent === path) return path;
  const above = existsSync(parent) ? realpathSync(parent) : realDestination(parent);
  return join(above, path.slice(parent.length));
}

function etc(stage: Stage, plan: RootPlan): string {
  const root = stage.folder();
  const folders = shownFolders(readdirSync('/etc')).filter((name) => statSync(join('/etc', name), { throwIfNoEntry: false })?.isDirectory());
  for (const name of ETC_FILES) copy(join('/etc', name), join(root, name));
  for (const [name, content] of Object.entries(ownFiles(plan.identity, plan.network))) write(join(root, name), { text: content });
  symlinkSync('../proc/self/mounts', join(root, 'mtab'));
  for (const name of folders) {
    const folder = join('/etc', name);
    write(join(root, name), 'folder');
    stage.layered(folder, plan.trust.flatMap(({ path, content }) => inFolder(folder, path, content)), { at: join(root, name), small: true });
  }
  for (const { path, content } of plan.trust) {
    const way = below('/etc', path);
    if (way !== null && !folders.some((name) => below(name, way) !== null)) write(join(root, way), content);
  }
  for (const mount of plan.mounts) {
    const way = below('/etc', mount.destination);
    if (way && !existsSync(join(root, way)) && !folders.some((name) => below(name, way) !== null)) write(join(root, way), emptyFor(mount));
  }
  return root;
}

/** Regular files by content, links as links; what is neither, absent or unreadable is left out. */
function copy(from: string, to: string): void {
  const found = lstatSync(from, { throwIfNoEntry: false });
  if (!found) return;
  write(dirname(to), 'folder');
  try {
    if (found.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
    else if (found.isFile()) copyFileSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
}

/** One share of the job, with what it may not show covered right after, so that a share within it can lie on top. */
function share(stage: Stage, plan: RootPlan, root: string, mount: PlannedMount): Options {
  const { source, masks, sockets } = mount;
  const at = `${root}${bytes(mount.destination)}`;
  const readOnly = mount.readOnly && !plan.without.includes('read-only');
  const seal = !plan.without.includes('sockets');
  const nested = plan.mounts.flatMap((other) => (other === mount ? [] : inFolder(mount.destination, other.destination, emptyFor(other))));
  const points = nested.filter(({ path }) => !existsSync(join(source, path)));
  const layer = readOnly && seal && mount.directory ? stage.layered(source, points) : { path: source, sealed: false };
  const hidden = plan.without.includes('masks') ? [] : masks;
  return [
    ...[readOnly ? '--ro-bind' : '--bind', bytes(layer.path), at],
    ...hidden.flatMap(({ path, directory }) => ['--ro-bind', directory ? stage.emptyFolder : stage.closedFile, `${at}/${path}`]),
    ...(seal && !layer.sealed ? sockets.flatMap((path) => ['--ro-bind', stage.closedFile, `${at}/${path}`]) : []),
  ];
}
