/** Tars and images for tests, as Docker and the tools around it write them, and as they never would. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Header } from 'tar-stream';

export interface TarFile extends Partial<Omit<Header, 'name' | 'size'>> {
  readonly name: string;
  readonly content?: string | Buffer;
}

/** Entries as they are given: nothing keeps a path within the archive. */
export async function tarOf(files: readonly TarFile[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of files) {
    const type = header.type ?? (header.name.endsWith('/') ? 'directory' : 'file');
    archive.entry({ mode: type === 'directory' ? 0o755 : 0o644, mtime: new Date(1e12), ...header, type }, content ?? '');
  }
  archive.finalize();
  return buffer(archive as unknown as AsyncIterable<Buffer>);
}

/** A folder as the tar of a layer, by the system's own tar. */
export function tarOfFolder(folder: string): Buffer {
  return execFileSync('tar', ['--sort=name', '--numeric-owner', '-C', folder, '-cf', '-', '.'], { maxBuffer: 2 ** 31 - 1 });
}

const COMPRESSIONS = {
  none: { of: (tar: Buffer) => tar, suffix: '' },
  gzip: { of: (tar: Buffer) => gzipSync(tar, { level: 1 }), suffix: '+gzip' },
  zstd: { of: (tar: Buffer) => zstdCompressSync(tar), suffix: '+zstd' },
} as const;

/** `docker-old`: before version 25. `docker`: since then, an OCI layout with a manifest.json. */
export const FORMATS = ['docker-old', 'docker', 'oci'] as const;

export interface ImageOptions {
  readonly format?: (typeof FORMATS)[number];
  readonly compression?: keyof typeof COMPRESSIONS;
  /** ENV, CMD and so on, in Docker's words. */
  readonly config?: object;
  readonly architecture?: string;
  readonly os?: string;
  /** Changes what the archive holds, before the archive is made. */
  readonly change?: (files: Map<string, Buffer>) => void;
}

export const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

/** The tar of an image with these layers, the lowest first. */
export async function imageTar(layers: readonly Buffer[], { format = 'oci', compression = 'none', config = {}, architecture = ARCHITECTURE, os = 'linux', change }: ImageOptions = {}): Promise<Buffer> {
  const files = new Map<string, Buffer>();
  const { of: compressed, suffix } = COMPRESSIONS[compression];
  const configuration = json({ architecture, os, config, rootfs: { type: 'layers', diff_ids: layers.map((tar) => `sha256:${sha256(tar)}`) } });
  if (format === 'docker-old') {
    const names = layers.map((tar) => `${sha256(Buffer.from(`id of ${sha256(tar)}`))}/layer.tar`);
    for (const [index, tar] of layers.entries()) files.set(names[index]!, compressed(tar));
    files.set(`${sha256(configuration)}.json`, configuration);
    files.set('manifest.json', json([{ Config: `${sha256(configuration)}.json`, RepoTags: ['test:latest'], Layers: names }]));
  } else {
    const descriptor = addBlob(files, manifest(files, configuration, layers.map(compressed), suffix), 'application/vnd.oci.image.manifest.v1+json');
    files.set('oci-layout', json({ imageLayoutVersion: '1.0.0' }));
    files.set('index.json', json({ schemaVersion: 2, manifests: [descriptor] }));
    if (format === 'docker') files.set('manifest.json', json([{ Config: blobName(configuration), RepoTags: ['test:latest'], Layers: layers.map((tar) => blobName(compressed(tar))) }]));
  }
  change?.(files);
  return tarOf(Array.from(files, ([name, content]) => ({ name, content })));
}

/** Adds what an OCI manifest names, and gives the manifest. */
export function manifest(files: Map<string, Buffer>, configuration: Buffer, layers: readonly Buffer[], suffix = ''): Buffer {
  return json({
    schemaVersion: 2,
    config: addBlob(files, configuration, 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map((layer) => addBlob(files, layer, `application/vnd.oci.image.layer.v1.tar${suffix}`)),
  });
}

/** Adds a blob, and gives its descriptor. */
export function addBlob(files: Map<string, Buffer>, content: Buffer, mediaType: string): { mediaType: string; digest: string; size: number } {
  files.set(blobName(content), content);
  return { mediaType, digest: `sha256:${sha256(content)}`, size: content.length };
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function blobName(content: Buffer): string {
  return `blobs/sha256/${sha256(content)}`;
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** A folder of a test, with files in it. */
export class TestFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'rootfs-test-'));

  file(name: string, content: Buffer | string): string {
    writeFileSync(join(this.path, name), content);
    return join(this.path, name);
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  close(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
