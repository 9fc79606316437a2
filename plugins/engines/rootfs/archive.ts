/** Tar archives: one that is read where it lies, by the names of its files, and one that is read from end to end. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import type { Header } from 'tar-stream';
import { bytes } from '../root/paths.ts';
import type { BytePath } from '../root/plan.ts';

const BLOCK = 512;
/** Read to find one header; long names and attributes may stand before it. */
const HEADER_LIMIT = 8 * 1024 ** 2;
const HEADER_CHUNK = 4096;
const CHUNK = 1 << 18;
/** Files of an image's archive: some per layer. */
const MAX_FILES = 10_000;
const MAX_LINKS = 8;
/** The end of the year 9999. */
const LAST_TIME = 253_402_300_799;

export interface TarHeader {
  /** As the archive has it: neither normal nor safe. */
  readonly name: BytePath;
  /** null: unknown. */
  readonly type: Header['type'] | null;
  readonly size: number;
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly link: BytePath;
  /** It stands for a file with holes, which is written in a way of its own. */
  readonly sparse: boolean;
}

export interface TarEntry {
  readonly header: TarHeader;
  /** Where the content begins in the archive. */
  readonly offset: number;
  readonly content: AsyncIterable<Buffer>;
}

/** The entries of a tar one after the other. What of a content is not read is passed over. */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  // Names in latin1 are the very bytes.
  const options = { filenameEncoding: 'latin1', allowUnknownFormat: true }; // its types lack them
  const parser = extract(options as object);
  const input = Readable.from(source, { objectMode: false });
  input.on('error', (error) => parser.destroy(error));
  input.pipe(parser as unknown as NodeJS.WritableStream);
  try {
    for await (const entry of parser) {
      const { header, offset } = read(entry.header as ExtractedHeader);
      yield { header, offset, content: entry as unknown as AsyncIterable<Buffer> };
      entry.resume();
    }
  } finally {
    input.destroy();
  }
}

interface ExtractedHeader extends Header {
  readonly byteOffset: number;
  readonly pax: Readonly<Record<string, string>> | null;
}

function read({ name, linkname, type, size, mode, mtime, byteOffset, pax }: ExtractedHeader): Pick<TarEntry, 'header' | 'offset'> {
  const given = Number.parseFloat(pax?.['mtime'] ?? '');
  return {
    offset: byteOffset,
    header: {
      name: pax?.['path'] === undefined ? name : bytes(name),
      link: pax?.['linkpath'] === undefined ? (linkname ?? '') : bytes(linkname),
      type,
      size,
      mode,
      mtime: time(Number.isFinite(given) ? given : mtime.getTime() / 1000),
      sparse: Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.')),
    },
  };
}

/** Within what a file can have. */
function time(seconds: number): number {
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), LAST_TIME) : 0;
}

interface Place {
  readonly offset: number;
  readonly size: number;
}

/** The archive that holds an image: its headers are read, and of its files what is asked for. */
export class Archive {
  readonly #handle: FileHandle;
  readonly #places: ReadonlyMap<string, Place>;

  private constructor(handle: FileHandle, places: ReadonlyMap<string, Place>) {
    this.#handle = handle;
    this.#places = places;
  }

  static async open(file: string): Promise<Archive> {
    const handle = await open(file);
    try {
      return new Archive(handle, await placesIn(handle));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  sizeOf(name: string): number | null {
    return this.#places.get(name)?.size ?? null;
  }

  /** The whole of a file; throws where it is not there or longer than the limit. */
  async read(name: string, limit: number): Promise<Buffer> {
    const { offset, size } = this.#place(name);
    if (size > limit) throw new Error(`${name} has ${size} bytes, more than the ${limit} that it may have`);
    const content = Buffer.alloc(size);
    const { bytesRead } = await this.#handle.read(content, 0, size, offset);
    if (bytesRead < size) throw new Error(`${name} is cut off`);
    return content;
  }

  async *stream(name: string): AsyncGenerator<Buffer> {
    const { offset, size } = this.#place(name);
    for (let done = 0; done < size; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - done));
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, offset + done);
      if (bytesRead === 0) throw new Error(`${name} is cut off`);
      yield chunk.subarray(0, bytesRead);
      done += bytesRead;
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  #place(name: string): Place {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`${name} is not in the archive`);
    return place;
  }
}

/** Where the files lie. Docker once wrote a layer that occurs twice as a link. */
async function placesIn(handle: FileHandle): Promise<Map<string, Place>> {
  const { size: end } = await handle.stat();
  const places = new Map<string, Place>();
  const links = new Map<string, string>();
  let position = 0;
  for (let count = 0; ; count++) {
    if (count > MAX_FILES) throw new Error(`it holds more than ${MAX_FILES} files, so it is no image`);
    const found = await headerAt(handle, position);
    if (found === null) break;
    const { header, offset } = found;
    const isFile = header.type === 'file' || header.type === 'contiguous-file';
    const name = posix.normalize(header.name).replace(/^(?:\.?\/)+/, '');
    if (isFile && offset + header.size > end) throw new Error(`it is cut off: ${name} ends at byte ${offset + header.size}, and the file has ${end}`);
    if (isFile) places.set(name, { offset, size: header.size });
    else if (header.type === 'symlink') links.set(name, posix.join(posix.dirname(name), header.link));
    else if (header.type === 'link') links.set(name, posix.normalize(header.link));
    position = offset + (isFile ? Math.ceil(header.size / BLOCK) * BLOCK : 0);
  }
  for (const [name, target] of links) {
    let at: string | undefined = target;
    for (let followed = 0; at !== undefined && !places.has(at) && followed < MAX_LINKS; followed++) at = links.get(at);
    const place = at === undefined ? undefined : places.get(at);
    if (place) places.set(name, place);
  }
  return places;
}

async function headerAt(handle: FileHandle, position: number): Promise<{ header: TarHeader; offset: number } | null> {
  async function* blocks(): AsyncGenerator<Buffer> {
    for (let at = position; at < position + HEADER_LIMIT; ) {
      const chunk = Buffer.alloc(HEADER_CHUNK);
      const { bytesRead } = await handle.read(chunk, 0, HEADER_CHUNK, at);
      if (bytesRead > 0) yield chunk.subarray(0, bytesRead);
      if (bytesRead < HEADER_CHUNK) return;
      at += bytesRead;
    }
  }
  try {
    for await (const { header, offset } of readTar(blocks())) return { header, offset: position + offset };
    return null;
  } catch (error) {
    throw new Error(`at byte ${position}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
