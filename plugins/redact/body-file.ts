import { pipeline, Readable } from 'node:stream';
import { constants, createBrotliCompress, createDeflate, createGzip, createZstdCompress } from 'node:zlib';
import { createDecoder, type BodyTransform, type ContentCoding } from '../../core/index.ts';
import { MaskWindow, type Finder } from './mask.ts';

/** A body that gives more than this when decoded is not stored: a bomb would hold the job up. Bytes. */
const LONGEST_DECODED = 1024 * 1024 * 1024;
/** Quick rather than small. */
const BROTLI_QUALITY = 4;

type Source = AsyncIterable<Uint8Array>;

/**
 * A transform that masks a body which lies in a file, in bounded memory. What is encoded is decoded, masked
 * and encoded again, so that the file still is what the record's headers say it is. The bytes are read as
 * Latin-1, whatever they are: names and tokens are ASCII, and every other byte comes out as it went in.
 */
export function maskBodyFile(codings: readonly ContentCoding[], finders: readonly Finder[], masked: (count: number) => void): BodyTransform {
  return async function* (bytes: Source) {
    const windows = finders.map((finder) => new MaskWindow(finder));
    if (codings.length === 0) yield* maskBytes(bytes, windows);
    else yield* recoded(bytes, codings, windows);
    const count = windows.reduce((sum, window) => sum + window.count, 0);
    masked(count);
    return count === 0 ? 'unchanged' : undefined;
  };
}

async function* recoded(bytes: Source, codings: readonly ContentCoding[], windows: readonly MaskWindow[]): AsyncGenerator<Uint8Array> {
  let decoded: Source = bytes;
  for (const coding of codings) decoded = decode(decoded, coding);
  let encoded: Source = maskBytes(bounded(decoded), windows);
  for (const coding of codings.toReversed()) encoded = piped(encoded, createEncoder(coding));
  yield* encoded;
}

async function* decode(bytes: Source, coding: ContentCoding): AsyncGenerator<Uint8Array> {
  const chunks = bytes[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done) return;
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => chunks };
  };
  yield* piped(all(), createDecoder(coding, first.value));
}

function piped(bytes: Source, stream: NodeJS.ReadWriteStream): Source {
  // An error of either end destroys the stream with it, and so reaches whoever reads from it.
  return pipeline(Readable.from(bytes), stream, () => {}) as unknown as Source;
}

async function* bounded(bytes: Source): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > LONGEST_DECODED) throw new Error(`the body is longer than ${LONGEST_DECODED} bytes when decoded`);
    yield chunk;
  }
}

async function* maskBytes(bytes: Source, windows: readonly MaskWindow[]): AsyncGenerator<Uint8Array> {
  const push = (chunk: string, last: boolean): Buffer => Buffer.from(windows.reduce((text, window) => window.push(text, last), chunk), 'latin1');
  for await (const chunk of bytes) {
    const text = push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1'), false);
    if (text.length > 0) yield text;
  }
  const rest = push('', true);
  if (rest.length > 0) yield rest;
}

function createEncoder(coding: ContentCoding): NodeJS.ReadWriteStream {
  switch (coding) {
    case 'gzip':
      return createGzip({ level: 1 });
    case 'deflate':
      return createDeflate({ level: 1 });
    case 'br':
      return createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } });
    case 'zstd':
      return createZstdCompress();
  }
}
