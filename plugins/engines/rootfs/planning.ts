/**
 * Settles what lies over a folder that becomes a guest's root. Whoever lays it then writes to a layer of its own and
 * follows no link: paths are resolved here, and every folder on their way is in that layer.
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { MentuError } from '../../../core/index.ts';
import type { GuestSpec } from '../engine.ts';
import { ownFiles } from '../root/etc.ts';
import { KERNEL_TREES } from '../root/mounts.ts';
import { below, bytes, named } from '../root/paths.ts';
import type { BytePath, Content, Identity, LayerFile, PlannedMount, RootfsPlan } from '../root/plan.ts';
import { walkShare } from '../root/shares.ts';
import { trustFiles } from '../trust/stores.ts';
import { RootTree } from './tree.ts';

export interface RootfsNeeds {
  readonly identity: Identity;
  /** Where the command starts, which is made where it is missing. */
  readonly cwd: string;
  readonly mounts: readonly PlannedMount[];
  /** Names in the root that are folders whatever the root has there: what the kernel's file systems are mounted on. */
  readonly points: readonly string[];
  readonly writable: boolean;
  /** Guards left out. */
  readonly without: readonly string[];
}

export interface PlannedRootfs {
  readonly rootfs: RootfsPlan;
  /** With the destinations to which links of the root lead. */
  readonly mounts: readonly PlannedMount[];
}

type Spec = Pick<GuestSpec, 'maskedNames' | 'hiddenPaths' | 'caCertificate' | 'network' | 'imageEnv'>;

export async function planRootfs(path: string, spec: Spec, needs: RootfsNeeds): Promise<PlannedRootfs> {
  const folder = checkedFolder(path);
  const tree = new RootTree(folder);
  const { identity, cwd, points, writable, without } = needs;
  const layer = new Layer(tree, points);
  if (!without.includes('masks')) for (const cover of await covered(folder, spec)) layer.add(cover, { text: '' });
  for (const name of points) layer.add(name, 'folder');
  const own = ownFiles(identity, spec.network === 'plane');
  for (const name of ['hostname', 'hosts', 'resolv.conf']) layer.put(`/etc/${name}`, { text: own[name]! });
  for (const name of ['passwd', 'group']) if (!tree.exists(`/etc/${name}`)) layer.put(`/etc/${name}`, { text: own[name]! });
  if (spec.caCertificate !== null) {
    for (const { path: store, content } of trustFiles(spec.caCertificate, { root: tree, javaHome: spec.imageEnv?.['JAVA_HOME'] })) layer.put(store, content);
  }
  const home = tree.resolve(bytes(identity.home));
  for (const place of [home, tree.resolve('run')]) layer.add(place, 'folder');
  const mounts = led(needs.mounts, tree);
  for (const { destination, directory } of mounts) layer.add(bytes(destination.slice(1)), directory ? 'folder' : { text: '' });
  if (!needs.mounts.some(({ destination }) => below(destination, cwd) !== null)) layer.add(tree.resolve(bytes(cwd)), 'folder');
  const fresh = isForeign(tree, home) ? [`/${named(home)}`] : [];
  return { rootfs: { folder, files: layer.files(), fresh, writable }, mounts };
}

function checkedFolder(path: string): string {
  const refuse = (reason: string): never => {
    throw new MentuError('engine_rootfs_refused', { path, reason });
  };
  let folder = '';
  try {
    folder = realpathSync(path);
    if (!statSync(folder).isDirectory()) refuse('it is no folder');
  } catch (error) {
    if (error instanceof MentuError) throw error;
    refuse(`it cannot be opened (${(error as NodeJS.ErrnoException).code})`);
  }
  if (folder === '/') refuse("it is the host's own root");
  for (const tree of KERNEL_TREES) if (below(tree, folder) !== null) refuse(`it lies in ${tree}`);
  return folder;
}

/** What of the folder the guest may not see. A folder of ours that cannot be looked through is covered; another user's stays closed to the guest as well. */
async function covered(folder: string, { maskedNames, hiddenPaths }: Pick<GuestSpec, 'maskedNames' | 'hiddenPaths'>): Promise<BytePath[]> {
  const { masks, maskedLinks } = await walkShare(folder, maskedNames);
  const names = new Set(maskedNames.map(bytes));
  const tree = new RootTree(folder);
  const found = masks.map(({ path }) => path).filter((path) => names.has(path.slice(path.lastIndexOf('/') + 1)) || !isForeign(tree, path));
  const hidden = hiddenPaths.filter((path) => existsSync(path)).flatMap((path) => below(folder, realpathSync(path)) ?? []);
  if (hidden.includes('')) throw new MentuError('engine_rootfs_refused', { path: folder, reason: 'guests never see what lies in it' });
  return [...found, ...maskedLinks, ...hidden.map(bytes)];
}

/** Where links of the root lead mounts. What lies in another mount goes with it. */
function led(mounts: readonly PlannedMount[], tree: RootTree): PlannedMount[] {
  const found: PlannedMount[] = [];
  for (const mount of mounts) {
    const { source, destination: asked } = mount;
    const above = mounts.filter((other) => other !== mount && below(other.destination, asked) !== null).at(-1);
    const place = above && found[mounts.indexOf(above)]?.destination;
    const destination = above && place ? `${place}${asked.slice(above.destination.length)}` : `/${named(tree.resolve(bytes(asked)))}`;
    const kernel = KERNEL_TREES.find((each) => below(each, destination) !== null);
    if (destination === '/' || kernel !== undefined) {
      throw new MentuError('engine_mount_refused', { source, destination: asked, reason: `in this root it leads to ${kernel ?? 'the root itself'}` });
    }
    found.push({ ...mount, destination });
  }
  return found.toSorted((a, b) => (a.destination < b.destination ? -1 : 1));
}

/** The user whose root it is can neither read nor write another's closed folder. */
function isForeign(tree: RootTree, path: BytePath): boolean {
  const found = tree.stat(path);
  return found !== undefined && process.getuid?.() !== 0 && found.uid !== process.getuid?.();
}

/** The layer over the root, by resolved paths. What is put first stays. */
class Layer {
  readonly #tree: RootTree;
  readonly #points: readonly string[];
  readonly #files = new Map<string, Content>();

  constructor(tree: RootTree, points: readonly string[]) {
    this.#tree = tree;
    this.#points = points;
  }

  /** A file by its path in the guest: in the folder to which links lead, in place of whatever has its name there. */
  put(path: string, content: Content): void {
    const [, folder = '', name = ''] = /^(.*)\/([^/]+)$/.exec(path)!;
    const place = this.#tree.resolve(bytes(folder));
    const point = this.#points.find((each) => below(each, place) !== null);
    if (point !== undefined) this.#refuse(path.slice(1), `its folder leads to /${point}, which is the guest's own`);
    this.add(place === '' ? bytes(name) : `${place}/${bytes(name)}`, content);
  }

  add(place: BytePath, content: Content): void {
    const path = named(place).toString();
    if (bytes(path) !== place) this.#refuse(path, 'its name is not UTF-8, and something has to be put there');
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const above = parts.slice(0, depth).join('/');
      const there = this.#files.get(above) ?? 'folder';
      if (there !== 'folder') this.#refuse(path, `something has to be put there, and /${above} is a file of ours or covered`);
      this.#files.set(above, there);
    }
    const there = this.#files.get(path);
    if (there !== undefined && (there === 'folder') !== (content === 'folder')) this.#refuse(path, 'it has to be a folder and a file at once');
    if (path !== '' && there === undefined) this.#files.set(path, content);
  }

  files(): LayerFile[] {
    return Array.from(this.#files, ([path, content]) => ({ path, content }));
  }

  #refuse(path: string, reason: string): never {
    throw new MentuError('engine_rootfs_refused', { path: this.#tree.folder, reason: `/${path}: ${reason}` });
  }
}
