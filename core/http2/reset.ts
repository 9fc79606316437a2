/**
 * Resets of streams. Where the writing side is open and nobody waits for trailers, `close` of node:http2 ends it first,
 * with an END_STREAM that makes half a message look like a whole one; `destroy` sends nothing but the RST_STREAM, and
 * always as INTERNAL_ERROR.
 */
import { constants, type Http2Session, type Http2Stream } from 'node:http2';

/** What was sent is not all there is. */
export const BROKEN = constants.NGHTTP2_INTERNAL_ERROR;
/** Nobody waits for the rest any longer. */
export const CANCELLED = constants.NGHTTP2_CANCEL;
/** It can be had over HTTP/1.1 and not so; H3_VERSION_FALLBACK of HTTP/3 says the same. */
export const HTTP1_REQUIRED = constants.NGHTTP2_HTTP_1_1_REQUIRED;
/** Nothing of it was processed: it may be sent again (RFC 9113, section 8.7). */
export const REFUSED = constants.NGHTTP2_REFUSED_STREAM;

/** @param isOpen its writing side would be ended by `close`. */
export function resetStream(stream: Http2Stream, code: number, isOpen: boolean): void {
  if (stream.destroyed) return;
  if (!isOpen || stream.writableEnded) stream.close(code);
  else stream.destroy(new Error('the exchange was broken off'));
}

/** Of a stream without trailers: nobody waits for the rest any longer. */
export function cancelStream(stream: Http2Stream): void {
  resetStream(stream, CANCELLED, true);
}

/** The code with which the other side has reset a stream; undefined where it was our own end, or that of the connection. @param session of the stream, which forgets it. */
export function receivedReset(session: Http2Session, { rstCode }: Http2Stream): number | undefined {
  return session.destroyed || rstCode === constants.NGHTTP2_NO_ERROR ? undefined : rstCode;
}
