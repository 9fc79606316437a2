/** Tells from the first bytes of a connection what it speaks, and puts the bytes back. */
import type { Duplex } from 'node:stream';
import type { ClientHello } from '../flow.ts';
import { Backlog } from '../http1/backlog.ts';
import { readClientHello } from './client-hello.ts';

const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 3;
const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n';
/** Methods by which a request is known before its line is whole (RFC 9110, section 9; RFC 5789; RFC 4918). */
const KNOWN_METHOD = /^(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|REPORT) /;
/** A method token and a space (RFC 9112, section 3); longer than any registered method. Git, memcached, IRC and others begin like that too. */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} /;
const REQUEST_LINE = / HTTP\/\d(?:\.\d)?\r?$/;
const NOT_IN_LINE = /[\x00-\x08\x0a-\x1f\x7f]/;
/** Bytes in which the line of a request with a method of its own must end. */
const MAX_LINE = 8192;
const METHOD_BEGUN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{0,32}$/;
/** Bytes of empty lines that may stand before a request (RFC 9112, section 2.2). */
const MAX_LEADING = 64;
/** Milliseconds in which what was begun must become clear. */
const UNCLEAR = 10_000;

export type FirstBytes =
  | { readonly kind: 'tls'; readonly hello: ClientHello }
  | { readonly kind: 'http1' }
  | { readonly kind: 'http2' }
  /** `said`: bytes that could not be put back, for the client has ended its half. */
  | { readonly kind: 'raw'; readonly said?: Buffer }
  /** TLS whose hello cannot be read. */
  | { readonly kind: 'broken-tls' }
  /** The client closed (`left`), or said nothing in time. */
  | { readonly kind: 'none'; readonly left: boolean };

/** What bytes seen so far mean; undefined where more are needed. */
export function recogniseFirstBytes(bytes: Buffer): Exclude<FirstBytes, { kind: 'none' }> | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] === TLS_HANDSHAKE) {
    const reading = readClientHello(bytes);
    if (reading === 'need-more') return undefined;
    if (reading === 'invalid') return { kind: bytes[1] === TLS_MAJOR ? 'broken-tls' : 'raw' };
    return { kind: 'tls', hello: reading };
  }
  let start = 0;
  while (start < MAX_LEADING && bytes[start] === 0x0d && bytes[start + 1] === 0x0a) start += 2;
  const text = bytes.toString('latin1', start, start + 64);
  if (text.startsWith(HTTP2_PREFACE)) return { kind: 'http2' };
  if (HTTP2_PREFACE.startsWith(text)) return undefined;
  if (KNOWN_METHOD.test(text)) return { kind: 'http1' };
  if (METHOD.test(text)) return recogniseLine(bytes, start);
  return METHOD_BEGUN.test(text) || text === '\r' ? undefined : { kind: 'raw' };
}

function recogniseLine(bytes: Buffer, start: number): { kind: 'http1' } | { kind: 'raw' } | undefined {
  const end = bytes.indexOf(0x0a, start);
  const line = bytes.toString('latin1', start, end === -1 ? Math.min(bytes.length, start + MAX_LINE) : end);
  if (end !== -1 && end - start <= MAX_LINE) return { kind: REQUEST_LINE.test(line) ? 'http1' : 'raw' };
  return line.length === MAX_LINE || NOT_IN_LINE.test(line.replace(/\r$/, '')) ? { kind: 'raw' } : undefined;
}

/** Told once that the client has said nothing yet; the peek goes on. */
export interface SilenceWatch {
  /** Milliseconds. */
  readonly after: number;
  notify(): void;
}

/**
 * Reads until the protocol is known. The bytes stand in the stream again afterwards, and the stream is paused.
 * @param silence milliseconds that the client may be silent before it counts as `none`.
 * @returns ends the peek, with all that was read put back.
 */
export function peekFirstBytes(stream: Duplex, silence: number, done: (first: FirstBytes) => void, watch: SilenceWatch | null = null): () => void {
  const seen = new Backlog();
  let over = false;
  const stop = (): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    clearTimeout(grace);
    stream.off('readable', onReadable);
    stream.off('end', onEnd);
    stream.off('close', onEnd);
    stream.pause();
    if (seen.length > 0 && !stream.readableEnded) stream.unshift(seen.bytes);
  };
  const finish = (first: FirstBytes): void => {
    stop();
    done(first);
  };
  const onReadable = (): void => {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) return;
    if (seen.length === 0) {
      clearTimeout(grace);
      clearTimeout(timer);
      timer = setTimeout(onLate, Math.min(silence, UNCLEAR));
    }
    seen.add(chunk);
    const first = recogniseFirstBytes(seen.bytes);
    if (first) finish(first);
  };
  const unclear = (left: boolean): FirstBytes => {
    if (seen.length === 0) return { kind: 'none', left };
    if (seen.bytes[0] === TLS_HANDSHAKE) return { kind: 'broken-tls' };
    return left ? { kind: 'raw', said: Buffer.from(seen.bytes) } : { kind: 'raw' };
  };
  const onEnd = (): void => finish(unclear(true));
  const onLate = (): void => finish(unclear(false));
  let timer = setTimeout(onLate, silence);
  const grace = watch ? setTimeout(() => watch.notify(), watch.after) : undefined;
  stream.on('readable', onReadable);
  stream.on('end', onEnd);
  stream.on('close', onEnd);
  return stop;
}
