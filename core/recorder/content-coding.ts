/** Undoes content codings (RFC 9110, section 8.4) for reading, with bounded output, whatever the input. */
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib';
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import type { Headers } from '../headers.ts';

export type ContentCoding = 'gzip' | 'deflate' | 'br' | 'zstd';

/** More codings than this on one body are not undone. */
const MAX_CODINGS = 4;
/** RFC 9659: a decoder needs no larger window than 8 MiB for the coding `zstd`. */
const ZSTD_WINDOW_LOG = 23;
const CHUNK = 64 * 1024;

/** What could be decoded. */
export interface Decoded {
  readonly bytes: Buffer;
  /** The codings that were undone, outermost first. */
  readonly undone: readonly ContentCoding[];
  /** True where bytes are missing at the end: over the limit, or the input is broken there. */
  readonly cut: boolean;
}

/** The codings of a message, outermost (applied last) first; an unknown one ends the list. `identity` is no coding. */
export function contentCodings(headers: Headers): ContentCoding[] {
  if (!headers.has('content-encoding')) return [];
  const names = headers.getAll('content-encoding').join(',').toLowerCase().split(',').map((name) => name.trim());
  const codings: ContentCoding[] = [];
  for (const name of names.filter((name) => name !== '' && name !== 'identity').reverse()) {
    const coding = name === 'x-gzip' ? 'gzip' : name;
    if (coding !== 'gzip' && coding !== 'deflate' && coding !== 'br' && coding !== 'zstd') break;
    codings.push(coding);
  }
  return codings.slice(0, MAX_CODINGS);
}

/** Decodes in this turn; null where the input is broken or gives more than `limit` bytes. An input that stops early is no error. */
export function decodeNow(bytes: Buffer, codings: readonly ContentCoding[], limit: number): Buffer | null {
  try {
    return codings.reduce((input, coding) => undoNow(input, coding, limit), bytes);
  } catch {
    return null;
  }
}

/** Decodes in the thread pool up to `limit` bytes. Where the input is broken, what came before stands. */
export function decode(bytes: Buffer, codings: readonly ContentCoding[], limit: number, done: (decoded: Decoded) => void): void {
  let current = bytes;
  let cut = false;
  const undone: ContentCoding[] = [];
  const next = (): void => {
    const coding = codings[undone.length];
    if (coding === undefined) return done({ bytes: current, undone, cut });
    undo(current, coding, limit, (output, whole) => {
      // Nothing came out: the body is not what its header says, and is shown as it is.
      if (!whole && output.length === 0) return done({ bytes: current, undone, cut });
      current = output;
      cut ||= !whole;
      undone.push(coding);
      next();
    });
  };
  next();
}

function undoNow(bytes: Buffer, coding: ContentCoding, maxOutputLength: number): Buffer {
  const zlib = { maxOutputLength, finishFlush: constants.Z_SYNC_FLUSH };
  switch (coding) {
    case 'gzip':
      return gunzipSync(bytes, zlib);
    case 'deflate':
      return hasZlibHeader(bytes) ? inflateSync(bytes, zlib) : inflateRawSync(bytes, zlib);
    case 'br':
      return brotliDecompressSync(bytes, { maxOutputLength, finishFlush: constants.BROTLI_OPERATION_FLUSH });
    case 'zstd':
      return zstdDecompressSync(bytes, { maxOutputLength, finishFlush: constants.ZSTD_e_flush, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  }
}

function undo(bytes: Buffer, coding: ContentCoding, limit: number, done: (output: Buffer, whole: boolean) => void): void {
  const stream = createDecoder(coding, bytes);
  const parts: Buffer[] = [];
  let size = 0;
  let over = false;
  const finish = (whole: boolean): void => {
    if (over) return;
    over = true;
    stream.destroy();
    done(Buffer.concat(parts, Math.min(size, limit)), whole);
  };
  stream.on('data', (part: Buffer) => {
    if (over) return;
    parts.push(part);
    size += part.length;
    if (size > limit) finish(false);
  });
  stream.on('end', () => finish(true));
  stream.on('error', () => finish(false));
  stream.end(bytes);
}

/** A stream that undoes one coding. `beginning` is the start of the input: `deflate` comes with and without a zlib header. */
export function createDecoder(coding: ContentCoding, beginning: Uint8Array): NodeJS.ReadWriteStream & { destroy(): unknown } {
  const zlib = { chunkSize: CHUNK, finishFlush: constants.Z_SYNC_FLUSH };
  switch (coding) {
    case 'gzip':
      return createGunzip(zlib);
    case 'deflate':
      return hasZlibHeader(beginning) ? createInflate(zlib) : createInflateRaw(zlib);
    case 'br':
      return createBrotliDecompress({ chunkSize: CHUNK, finishFlush: constants.BROTLI_OPERATION_FLUSH });
    case 'zstd':
      return createZstdDecompress({ chunkSize: CHUNK, finishFlush: constants.ZSTD_e_flush, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  }
}

/** RFC 1950, section 2.2: method 8 and a check over the first two bytes. */
function hasZlibHeader(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && (bytes[0]! & 0x0f) === 8 && ((bytes[0]! << 8) | bytes[1]!) % 31 === 0;
}
