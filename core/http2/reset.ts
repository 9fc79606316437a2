/**
 * Resets of streams. Where the writing side is open, `close` of node:http2 ends it first, with an END_STREAM that makes
 * half a message look like a whole one; `destroy` sends nothing but the RST_STREAM, and always as INTERNAL_ERROR.
 */
import { constants, type Http2Stream } from 'node:http2';

/** What was sent is not all there is. */
export function breakStream(stream: Http2Stream): void {
  reset(stream, constants.NGHTTP2_INTERNAL_ERROR);
}

/** Nobody waits for the rest any longer. */
export function cancelStream(stream: Http2Stream): void {
  reset(stream, constants.NGHTTP2_CANCEL);
}

function reset(stream: Http2Stream, code: number): void {
  if (stream.destroyed) return;
  if (stream.writableEnded) stream.close(code);
  else stream.destroy(new Error('the exchange was broken off'));
}
