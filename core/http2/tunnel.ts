/**
 * The bytes of a stream that has become another protocol's (RFC 8441, section 5), as a connection. The end of the
 * stream is the end of a half; a stream that was reset ends like a connection that was: without saying so.
 */
import { constants, type Http2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { cancelStream } from './reset.ts';

export class Http2Tunnel extends Duplex {
  readonly #stream: Http2Stream;

  constructor(stream: Http2Stream) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    stream.pause();
    stream.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    let whole = false;
    stream.on('end', () => {
      // 'end' also comes before the 'close' of a stream that was reset.
      whole = !stream.aborted && (stream.rstCode ?? constants.NGHTTP2_NO_ERROR) === constants.NGHTTP2_NO_ERROR;
      if (whole) this.push(null);
    });
    stream.on('error', ignore);
    const closed = (): void => {
      // What has come is still to be read.
      if (whole && !this.readableEnded) this.once('end', () => this.destroy());
      else this.destroy();
    };
    if (stream.closed && stream.destroyed) process.nextTick(closed);
    else stream.once('close', closed);
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#stream.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#stream.destroyed) return done();
    this.#stream.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const stream = this.#stream;
    if (this.writableFinished && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
    else cancelStream(stream);
    done(error);
  }
}

function ignore(): void {
  // 'close' follows and is what counts.
}
