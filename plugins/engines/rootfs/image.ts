/** Opens what a profile names as `rootfs`: a folder as it is, an image of a tar unpacked once. */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { chmodSync, realpathSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { pipeline } from 'node:stream';
import type { Duplex } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { MentuError } from '../../../core/index.ts';
import { below } from '../root/paths.ts';
import { Archive } from './archive.ts';
import { ImageCache } from './cache.ts';
import { readConfig, thisPlatform } from './facts.ts';
import type { ImageFacts } from './facts.ts';
import { LayeredFolder } from './layer.ts';
import type { UnpackLimits } from './layer.ts';
import { findImage } from './manifest.ts';
import type { ImageLayer } from './manifest.ts';

export const UNPACK_LIMITS: UnpackLimits = { entries: 2_000_000, bytes: 64 * 1024 ** 3 };

export interface OpenedRootfs {
  readonly folder: string;
  /** Null where a folder was named. */
  readonly image: ImageFacts | null;
}

export interface RootfsOptions {
  /** Guests never see what lies in these folders of the host, nor in folders of these names. */
  readonly hiddenPaths?: readonly string[];
  readonly maskedNames?: readonly string[];
  readonly limits?: UnpackLimits;
  /** Called before an image is unpacked, which may take a while. */
  readonly unpacking?: () => void;
}

/** `cache`: the folder where images are unpacked, each under its id. */
export async function openRootfs(path: string, cache: string, { hiddenPaths = [], maskedNames = [], limits = UNPACK_LIMITS, unpacking }: RootfsOptions = {}): Promise<OpenedRootfs> {
  const found = statOf(path);
  if (found.isDirectory()) return { folder: openFolder(path, hiddenPaths, maskedNames), image: null };
  if (!found.isFile()) throw new MentuError('engine_rootfs_refused', { path, reason: 'it is neither a folder nor an archive' });
  try {
    return await openImage(path, new ImageCache(cache), limits, unpacking);
  } catch (error) {
    if (error instanceof MentuError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new MentuError('engine_image_invalid', { file: path, reason }, { cause: error });
  }
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw new MentuError('engine_rootfs_refused', { path, reason: `it cannot be opened (${(error as NodeJS.ErrnoException).code})` });
  }
}

function openFolder(path: string, hiddenPaths: readonly string[], maskedNames: readonly string[]): string {
  const folder = realpathSync(path);
  const within = hiddenPaths.find((hidden) => below(realOr(hidden), folder) !== null) ?? folder.split('/').find((part) => maskedNames.includes(part));
  if (within !== undefined) throw new MentuError('engine_rootfs_refused', { path, reason: `guests never see what lies in ${within}` });
  if (statSync(`${folder}/oci-layout`, { throwIfNoEntry: false })) {
    throw new MentuError('engine_rootfs_refused', { path, reason: `it is an image that is not unpacked; make a tar of it (tar -C ${path} -cf image.tar .) and name that` });
  }
  return folder;
}

function realOr(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

async function openImage(file: string, cache: ImageCache, limits: UnpackLimits, unpacking: RootfsOptions['unpacking']): Promise<OpenedRootfs> {
  const archive = await Archive.open(file);
  try {
    const wanted = thisPlatform();
    const manifest = await findImage(archive, file, wanted);
    const { facts, diffIds } = readConfig(manifest);
    if (facts.os !== wanted.os || facts.architecture !== wanted.architecture) {
      throw new MentuError('engine_image_platform', { file, found: `${facts.os}/${facts.architecture}`, wanted: `${wanted.os}/${wanted.architecture}` });
    }
    const folder = await cache.folderOf(manifest.id, async (unfinished) => {
      unpacking?.();
      chmodSync(unfinished, 0o755);
      const root = new LayeredFolder(unfinished, limits);
      const bytes = new Allowance(limits.bytes);
      for (const [index, layer] of manifest.layers.entries()) {
        try {
          await layLayer(archive, layer, diffIds[index]!, root, bytes);
        } catch (error) {
          throw new Error(`layer ${index + 1} of ${manifest.layers.length} (${layer.name}) ${error instanceof Error ? error.message : String(error)}`, { cause: error });
        }
      }
      root.finish();
    });
    return { folder, image: facts };
  } finally {
    await archive.close();
  }
}

/** The digest of the file is that of the manifest, and the digest of its unpacked content that of the configuration. */
async function layLayer(archive: Archive, { name, digest }: ImageLayer, diffId: string, root: LayeredFolder, bytes: Allowance): Promise<void> {
  const [packed, content] = [digest ?? '', diffId].map(hashFor) as [Hash | null, Hash | null];
  if (content === null) throw new Error(`has no SHA-256 in the configuration, but "${diffId.slice(0, 100)}"`);
  const unpacker = await unpackerOf(archive, name);
  const file = passed(archive.stream(name), (chunk) => packed?.update(chunk));
  const tar = unpacker === null ? file : pipeline(file, unpacker, () => undefined); // its error is the reader's as well
  await root.lay(passed(tar, (chunk) => content.update(chunk) && bytes.take(chunk.length)));
  for (const [hash, expected] of [[packed, digest], [content, diffId]] as const) {
    const actual = hash && `${expected!.split(':')[0]}:${hash.digest('hex')}`;
    if (actual !== null && actual !== expected) throw new Error(`is not what it should be: its digest is ${actual}, and not ${expected}`);
  }
}

function hashFor(digest: string): Hash | null {
  const [, algorithm] = /^(sha256|sha512):[0-9a-f]+$/.exec(digest) ?? [];
  return algorithm === undefined ? null : createHash(algorithm);
}

async function unpackerOf(archive: Archive, name: string): Promise<Duplex | null> {
  for await (const chunk of archive.stream(name)) {
    const magic = chunk.toString('hex', 0, 4);
    if (magic.startsWith('1f8b')) return createGunzip();
    return magic === '28b52ffd' ? createZstdDecompress() : null;
  }
  return null;
}

async function* passed(source: AsyncIterable<Buffer>, seen: (chunk: Buffer) => unknown): AsyncIterable<Buffer> {
  for await (const chunk of source) {
    seen(chunk);
    yield chunk;
  }
}

class Allowance {
  readonly #limit: number;
  #taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  take(count: number): void {
    this.#taken += count;
    if (this.#taken > this.#limit) throw new Error(`the image is larger than ${this.#limit} bytes when it is unpacked`);
  }
}
