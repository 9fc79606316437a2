/** Bodies of HTTP/1 (RFC 9112, sections 6 and 7): delimits what follows a head, streaming. */
import type { Headers } from '../headers.ts';
import { Http1SyntaxError, parseTrailers, type Framing } from './head.ts';

const MAX_CHUNK_LINE = 4096;
const MAX_TRAILER_BYTES = 64 * 1024;

export interface BodyHandler {
  /** The next bytes of the body; a view of the connection's buffer. */
  onBody(chunk: Buffer): void;
}

/** Reads one body. `read` takes bytes and returns how many belong to it; when `done`, the rest is the next message. */
export interface BodyReader {
  readonly done: boolean;
  readonly trailers: Headers | null;
  read(bytes: Buffer, handler: BodyHandler): number;
}

export function bodyReader(framing: Framing): BodyReader {
  if (framing.kind === 'length') return new LengthReader(framing.length);
  if (framing.kind === 'chunked') return new ChunkedReader();
  return new CloseReader();
}

class LengthReader implements BodyReader {
  done = false;
  readonly trailers = null;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  read(bytes: Buffer, handler: BodyHandler): number {
    const taken = Math.min(bytes.length, this.#left);
    this.#left -= taken;
    this.done = this.#left === 0;
    handler.onBody(taken === bytes.length ? bytes : bytes.subarray(0, taken));
    return taken;
  }
}

/** The body ends with the connection; the connection's owner says so. */
class CloseReader implements BodyReader {
  readonly done = false;
  readonly trailers = null;

  read(bytes: Buffer, handler: BodyHandler): number {
    handler.onBody(bytes);
    return bytes.length;
  }
}

const CR = 0x0d;
const LF = 0x0a;
type ChunkState = 'size' | 'data' | 'data-end' | 'trailers';

/** Chunk sizes, extensions (dropped: they are between hops) and trailers (RFC 9112, section 7.1). */
class ChunkedReader implements BodyReader {
  done = false;
  trailers: Headers | null = null;
  #state: ChunkState = 'size';
  #left = 0;
  #line = '';

  read(bytes: Buffer, handler: BodyHandler): number {
    let at = 0;
    while (at < bytes.length && !this.done) {
      if (this.#state === 'data') {
        const taken = Math.min(bytes.length - at, this.#left);
        this.#left -= taken;
        handler.onBody(bytes.subarray(at, at + taken));
        at += taken;
        if (this.#left === 0) this.#state = 'data-end';
        continue;
      }
      const end = bytes.indexOf(LF, at);
      this.#line += bytes.toString('latin1', at, end === -1 ? bytes.length : end + 1);
      if (this.#line.length > (this.#state === 'trailers' ? MAX_TRAILER_BYTES : MAX_CHUNK_LINE)) {
        throw new Http1SyntaxError(this.#state === 'trailers' ? 'the trailers are too long' : 'a chunk line is too long');
      }
      if (end === -1) return bytes.length;
      at = end + 1;
      this.#lineRead();
    }
    return at;
  }

  #lineRead(): void {
    const line = this.#line;
    if (line.charCodeAt(line.length - 2) !== CR) throw new Http1SyntaxError('a line of the chunked body ends in a bare line feed');
    if (this.#state === 'data-end') {
      if (line !== '\r\n') throw new Http1SyntaxError('a chunk is longer than its size');
      this.#line = '';
      this.#state = 'size';
    } else if (this.#state === 'size') {
      const size = /^([0-9a-fA-F]{1,12})[ \t]*(;[^\r\n]*)?\r\n$/.exec(line);
      if (!size) throw new Http1SyntaxError('a chunk size is not a hexadecimal number');
      this.#line = '';
      this.#left = parseInt(size[1]!, 16);
      this.#state = this.#left === 0 ? 'trailers' : 'data';
    } else if (line === '\r\n' || line.endsWith('\r\n\r\n')) {
      this.done = true;
      if (line !== '\r\n') this.trailers = parseTrailers(line.slice(0, -2));
    }
  }
}
