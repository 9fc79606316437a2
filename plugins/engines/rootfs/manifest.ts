/**
 * Finds the one image of an archive: its configuration and its layers. An archive is an OCI layout (`index.json` and
 * `blobs/`), what `docker save` writes (`manifest.json`), or both, as newer Docker has it.
 */
import { createHash } from 'node:crypto';
import { MentuError } from '../../../core/index.ts';
import type { Archive } from './archive.ts';
import { ImageJson } from './json.ts';

const JSON_LIMIT = 8 * 1024 ** 2;
/** An index may list other indexes. */
const MAX_DEPTH = 4;
const MAX_MANIFESTS = 1000;
const CONFIG_TYPES = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'];

export interface ImageManifest {
  readonly config: Buffer;
  /** SHA-256 of the configuration, which names the digest of every layer's content: what Docker calls the image's id. */
  readonly id: string;
  readonly layers: readonly ImageLayer[];
}

export interface ImageLayer {
  /** The file in the archive. */
  readonly name: string;
  /** Of the file as it lies there, `sha256:…`; null where the archive names none. */
  readonly digest: string | null;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

interface Descriptor {
  readonly digest: string;
  readonly mediaType: string;
  /** Null where the index does not say. */
  readonly platform: (Platform & { readonly variant: string }) | null;
}

/** Throws an `Error` that says what is wrong with the archive, or `engine_image_platform`. */
export async function findImage(archive: Archive, file: string, wanted: Platform): Promise<ImageManifest> {
  if (archive.sizeOf('index.json') !== null) return ociImage(archive, file, wanted);
  if (archive.sizeOf('manifest.json') !== null) return dockerImage(archive);
  throw new Error('it has neither an index.json nor a manifest.json at its top; a tar of files alone has to be unpacked into a folder');
}

async function ociImage(archive: Archive, file: string, wanted: Platform): Promise<ImageManifest> {
  const found = await manifestsIn(archive, await parsed(archive, 'index.json'), 0);
  const unique = [...new Map(found.map((each) => [each.digest, each])).values()];
  const fitting = unique.filter(({ platform }) => platform === null || (platform.os === wanted.os && platform.architecture === wanted.architecture));
  if (fitting.length === 0 && unique.length > 0) {
    const others = unique.flatMap(({ platform }) => (platform ? [`${platform.os}/${platform.architecture}`] : []));
    throw new MentuError('engine_image_platform', { file, found: others.join(', '), wanted: `${wanted.os}/${wanted.architecture}` });
  }
  // Of several variants of an architecture, the one that every machine of it can run.
  const [chosen, other] = fitting.toSorted((a, b) => (a.platform?.variant ?? '').localeCompare(b.platform?.variant ?? ''));
  if (chosen === undefined) throw new Error('index.json lists no image');
  if (other !== undefined && (other.platform?.variant ?? '') === (chosen.platform?.variant ?? '')) throw new Error(`it holds ${fitting.length} images; save one alone`);
  const manifest = ImageJson.parse(await blob(archive, chosen.digest), blobName(chosen.digest));
  const config = manifest.part('config');
  const type = config.part('mediaType').optionalText();
  if (type !== '' && !CONFIG_TYPES.includes(type)) throw new Error(`it holds no image but ${type}`);
  const content = await blob(archive, config.part('digest').text());
  const layers = manifest.part('layers').list().map((layer) => layer.part('digest').text());
  return { config: content, id: sha256(content), layers: layers.map((digest) => ({ name: blobName(digest), digest })) };
}

/** Of every manifest that an index lists, also by other indexes. What only tells about an image is left out. */
async function manifestsIn(archive: Archive, index: ImageJson, depth: number): Promise<Descriptor[]> {
  const found: Descriptor[] = [];
  for (const each of index.part('manifests').list()) {
    const annotations = each.part('annotations');
    if (!annotations.isAbsent && !annotations.part('vnd.docker.reference.type').isAbsent) continue;
    const descriptor = { digest: each.part('digest').text(), mediaType: each.part('mediaType').optionalText(), platform: platformOf(each.part('platform')) };
    if (descriptor.platform?.os === 'unknown') continue;
    if (!/index|manifest\.list/.test(descriptor.mediaType)) found.push(descriptor);
    else if (depth >= MAX_DEPTH) throw new Error(`${each.place} lies too deep in indexes`);
    else found.push(...(await manifestsIn(archive, ImageJson.parse(await blob(archive, descriptor.digest), blobName(descriptor.digest)), depth + 1)));
    if (found.length > MAX_MANIFESTS) throw new Error(`it lists more than ${MAX_MANIFESTS} images`);
  }
  return found;
}

function platformOf(part: ImageJson): Descriptor['platform'] {
  if (part.isAbsent) return null;
  return { os: part.part('os').text(), architecture: part.part('architecture').text(), variant: part.part('variant').optionalText() };
}

async function dockerImage(archive: Archive): Promise<ImageManifest> {
  const images = (await parsed(archive, 'manifest.json')).list();
  const [image, ...others] = [...new Map(images.map((each) => [each.part('Config').text(), each])).values()];
  if (image === undefined) throw new Error('manifest.json lists no image');
  if (others.length > 0) {
    const tags = images.flatMap((each) => each.part('RepoTags').optionalTexts());
    throw new Error(`it holds ${others.length + 1} images (${tags.join(', ')}); save one alone`);
  }
  const name = image.part('Config').text();
  const config = await archive.read(name, JSON_LIMIT);
  const id = sha256(config);
  const [named] = /[0-9a-f]{64}/.exec(name) ?? [];
  if (named !== undefined && named !== id) throw new Error(`${name} is not what its name says: its SHA-256 is ${id}`);
  const layers = image.part('Layers').list().map((layer) => layer.text());
  return { config, id, layers: layers.map((each) => ({ name: each, digest: null })) };
}

async function parsed(archive: Archive, name: string): Promise<ImageJson> {
  return ImageJson.parse(await archive.read(name, JSON_LIMIT), name);
}

async function blob(archive: Archive, digest: string): Promise<Buffer> {
  const content = await archive.read(blobName(digest), JSON_LIMIT);
  const [algorithm = ''] = digest.split(':');
  const actual = `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`;
  if (actual !== digest) throw new Error(`${blobName(digest)} is not what its name says: its digest is ${actual}`);
  return content;
}

/** The file of a digest; no other text gets into a path. */
function blobName(digest: string): string {
  if (!/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(digest)) throw new Error(`"${digest.slice(0, 100)}" is no SHA-256 or SHA-512 digest`);
  return `blobs/${digest.replace(':', '/')}`;
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
