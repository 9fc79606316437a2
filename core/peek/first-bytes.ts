/** Tells from the first bytes of a connection what it speaks, and puts the bytes back. */
import type { Duplex } from 'node:stream';
import type { ClientHello } from '../flow.ts';
import { Backlog } from '../http1/backlog.ts';
import { readClientHello } from './client-hello.ts';

const TLS_HANDSHAKE = 0x16;
const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n';
/** A method token and a space (RFC 9112, section 3); longer than any registered method. */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} /;
const METHOD_BEGUN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{0,32}$/;
/** Bytes of empty lines that may stand before a request (RFC 9112, section 2.2). */
const MAX_LEADING = 64;

export type FirstBytes =
  | { readonly kind: 'tls'; readonly hello: ClientHello }
  | { readonly kind: 'http1' }
  | { readonly kind: 'http2' }
  | { readonly kind: 'raw' }
  /** The client closed, or said nothing in time. */
  | { readonly kind: 'none' };

/** What bytes seen so far mean; undefined where more are needed. */
export function recogniseFirstBytes(bytes: Buffer): Exclude<FirstBytes, { kind: 'none' }> | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] === TLS_HANDSHAKE) {
    const reading = readClientHello(bytes);
    if (reading === 'need-more') return undefined;
    return reading === 'invalid' ? { kind: 'raw' } : { kind: 'tls', hello: reading };
  }
  let start = 0;
  while (start < MAX_LEADING && bytes[start] === 0x0d && bytes[start + 1] === 0x0a) start += 2;
  const text = bytes.toString('latin1', start, start + 64);
  if (text.startsWith(HTTP2_PREFACE)) return { kind: 'http2' };
  if (HTTP2_PREFACE.startsWith(text)) return undefined;
  if (METHOD.test(text)) return { kind: 'http1' };
  return METHOD_BEGUN.test(text) || text === '\r' ? undefined : { kind: 'raw' };
}

/**
 * Reads until the protocol is known. The bytes stand in the socket again afterwards, and the socket is paused.
 * @param silence milliseconds that the client may be silent before it counts as `none`.
 */
export function peekFirstBytes(socket: Duplex, silence: number, done: (first: FirstBytes) => void): void {
  const seen = new Backlog();
  const finish = (first: FirstBytes): void => {
    clearTimeout(timer);
    socket.off('readable', onReadable);
    socket.off('end', onEnd);
    socket.off('close', onEnd);
    if (seen.length > 0 && !socket.readableEnded) socket.unshift(seen.bytes);
    done(first);
  };
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen.add(chunk);
    const first = recogniseFirstBytes(seen.bytes);
    if (first) finish(first);
  };
  const onEnd = (): void => finish(seen.length > 0 ? { kind: 'raw' } : { kind: 'none' });
  const timer = setTimeout(onEnd, silence);
  socket.on('readable', onReadable);
  socket.on('end', onEnd);
  socket.on('close', onEnd);
}
