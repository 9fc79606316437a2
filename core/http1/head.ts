/**
 * Message heads of HTTP/1 (RFC 9112, sections 2 to 6): read strictly, since two readings of one head
 * are how requests are smuggled, and written back byte for byte. Text is latin1 throughout, so that
 * bytes beyond ASCII survive unchanged.
 */
import { Headers, isToken } from '../headers.ts';

/** Bytes of a head, request line and fields together. */
export const MAX_HEAD_BYTES = 128 * 1024;
export const MAX_FIELDS = 500;

/** Control characters but tab, and either half of a CRLF alone. */
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;
const VERSION = /^HTTP\/1\.[01]$/;
const STATUS = /^ [1-9]\d\d$/;

/** Thrown for a head or a body that breaks the grammar; `message` is the reason in words. */
export class Http1SyntaxError extends Error {
  override readonly name = 'Http1SyntaxError';
}

/** How the bytes after a head are delimited (RFC 9112, section 6.3). */
export type Framing = { readonly kind: 'none' } | { readonly kind: 'length'; readonly length: number } | { readonly kind: 'chunked' } | { readonly kind: 'close' };

export const NO_BODY: Framing = { kind: 'none' };
export const CHUNKED: Framing = { kind: 'chunked' };
export const UNTIL_CLOSE: Framing = { kind: 'close' };

export interface RequestLine {
  method: string;
  target: string;
  version: string;
  headers: Headers;
}

export interface StatusLine {
  version: string;
  status: number;
  reason: string;
  headers: Headers;
}

/** Reads a request head without its final empty line. */
export function parseRequestHead(text: string): RequestLine {
  const end = lineEnd(text);
  const first = text.indexOf(' ');
  const last = text.lastIndexOf(' ', end - 1);
  if (first <= 0 || last <= first) throw new Http1SyntaxError('the request line is not "METHOD target HTTP/1.1"');
  const method = text.slice(0, first);
  const target = text.slice(first + 1, last);
  const version = text.slice(last + 1, end);
  if (!isToken(method)) throw new Http1SyntaxError('the method is not a token');
  if (!VERSION.test(version)) throw new Http1SyntaxError('the version is not HTTP/1.0 or HTTP/1.1');
  if (target === '' || target.includes(' ')) throw new Http1SyntaxError('the request target is empty or has a space in it');
  return { method, target, version, headers: parseFields(text, end) };
}

/** Reads a response head without its final empty line. */
export function parseStatusHead(text: string): StatusLine {
  const end = lineEnd(text);
  const version = text.slice(0, 8);
  const digits = text.slice(8, 12);
  const rest = text.slice(12, end);
  if (!VERSION.test(version) || !STATUS.test(digits) || (rest !== '' && rest[0] !== ' ')) {
    throw new Http1SyntaxError('the status line is not "HTTP/1.1 NNN reason"');
  }
  return { version, status: Number(digits), reason: rest.slice(1), headers: parseFields(text, end) };
}

/** Reads field lines that end in CRLF each, the last one's optional: the trailer section. */
export function parseTrailers(text: string): Headers {
  refuseControls(text);
  return parseFields('\r\n' + text.replace(/\r\n$/, ''), 0);
}

function refuseControls(text: string): void {
  if (FORBIDDEN.test(text)) throw new Http1SyntaxError('a control character or a bare line end stands among the fields');
}

function lineEnd(text: string): number {
  refuseControls(text);
  const end = text.indexOf('\r\n');
  return end === -1 ? text.length : end;
}

function parseFields(text: string, from: number): Headers {
  const raw: string[] = [];
  let at = from;
  while (at < text.length) {
    const start = at + 2;
    let end = text.indexOf('\r\n', start);
    if (end === -1) end = text.length;
    const colon = text.indexOf(':', start);
    if (colon === -1 || colon >= end) throw new Http1SyntaxError('a header line has no colon');
    const name = text.slice(start, colon);
    if (!isToken(name)) throw new Http1SyntaxError('a header name is not a token');
    let valueStart = colon + 1;
    let valueEnd = end;
    while (valueStart < valueEnd && isBlank(text.charCodeAt(valueStart))) valueStart++;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
    raw.push(name, text.slice(valueStart, valueEnd));
    if (raw.length > 2 * MAX_FIELDS) throw new Http1SyntaxError(`there are more than ${MAX_FIELDS} header fields`);
    at = end;
  }
  return new Headers(raw);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The framing of a request body; throws where two readings are possible. */
export function requestFraming(line: RequestLine): Framing {
  const codings = line.headers.getAll('transfer-encoding');
  const lengths = line.headers.getAll('content-length');
  if (codings.length > 0) {
    if (lengths.length > 0) throw new Http1SyntaxError('both Content-Length and Transfer-Encoding are given');
    if (line.version === 'HTTP/1.0') throw new Http1SyntaxError('Transfer-Encoding in HTTP/1.0');
    if (!isChunkedOnly(codings)) throw new Http1SyntaxError('a Transfer-Encoding other than chunked');
    return CHUNKED;
  }
  if (lengths.length > 1) throw new Http1SyntaxError('there is more than one Content-Length');
  return lengths.length === 0 ? NO_BODY : lengthOf(lengths);
}

/** The framing of a response body to a request with this method. */
export function responseFraming(line: StatusLine, method: string): Framing {
  const { status } = line;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return NO_BODY;
  const codings = line.headers.getAll('transfer-encoding');
  if (codings.length > 0) {
    if (!isChunkedOnly(codings)) throw new Http1SyntaxError('a Transfer-Encoding other than chunked');
    // Transfer-Encoding wins; the length must not be forwarded with it (RFC 9112, section 6.3, rule 3).
    line.headers.delete('content-length');
    return CHUNKED;
  }
  const lengths = line.headers.getAll('content-length');
  return lengths.length === 0 ? UNTIL_CLOSE : lengthOf(lengths);
}

function isChunkedOnly(codings: readonly string[]): boolean {
  return codings.length === 1 && codings[0]!.toLowerCase() === 'chunked';
}

function lengthOf(values: readonly string[]): Framing {
  const first = values[0]!;
  if (values.some((value) => value !== first)) throw new Http1SyntaxError('the Content-Length fields differ');
  if (!/^\d{1,15}$/.test(first)) throw new Http1SyntaxError('Content-Length is not a number');
  const length = Number(first);
  return length === 0 ? NO_BODY : { kind: 'length', length };
}

/** Whether the connection outlives the message (RFC 9112, section 9.3). */
export function isPersistent(version: string, headers: Headers): boolean {
  const options = headers.getAll('connection');
  if (version === 'HTTP/1.1') return !options.some((option) => /(^|[\s,])close([\s,]|$)/i.test(option));
  return options.some((option) => /(^|[\s,])keep-alive([\s,]|$)/i.test(option));
}

/** `start line CRLF fields CRLF CRLF`, in latin1. */
export function writeHead(startLine: string, headers: Headers): string {
  const { raw } = headers;
  let text = startLine + '\r\n';
  for (let i = 0; i < raw.length; i += 2) text += raw[i] + ': ' + raw[i + 1] + '\r\n';
  return text + '\r\n';
}
