/** What the field sections of messages may hold, and what they say (RFC 9114, sections 4.2 and 4.3). Whatever is malformed is a stream error. */
import { Headers } from '../headers.ts';
import type { RequestHead, ResponseHead } from '../exchange.ts';
import { H3, Http3StreamError } from './error-code.ts';

/** Names in lower case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** A method, or the protocol that an extended CONNECT asks for. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const STATUS = /^[1-9]\d\d$/;
const LENGTH = /^\d{1,15}$/;
/** Fields that hold for a connection of HTTP/1 (section 4.2). */
const FORBIDDEN: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** Throws `Http3StreamError`. `hasBody` is for whoever knows. */
export function requestHead(fields: string[], hasBody: boolean): RequestHead {
  let method: string | null = null;
  let scheme: string | null = null;
  let authority: string | null = null;
  let path: string | null = null;
  let protocol: string | null = null;
  let at = 0;
  for (; at < fields.length && fields[at]!.charCodeAt(0) === COLON; at += 2) {
    const value = fields[at + 1]!;
    if (!VALUE.test(value)) throw malformed('a pseudo-header field has characters that none can have');
    switch (fields[at]) {
      case ':method':
        method = once(method, value);
        break;
      case ':scheme':
        scheme = once(scheme, value);
        break;
      case ':authority':
        authority = once(authority, value);
        break;
      case ':path':
        path = once(path, value);
        break;
      case ':protocol':
        protocol = once(protocol, value);
        break;
      default:
        throw malformed(`${fields[at]} is no pseudo-header field of a request`);
    }
  }
  const headers = regular(fields, at);
  if (method === null || !TOKEN.test(method)) throw malformed('there is no :method');
  if (protocol !== null) {
    // RFC 9220, section 3, and RFC 8441, section 4.
    if (method !== 'CONNECT' || !TOKEN.test(protocol)) throw malformed(':protocol is no token, or is of another method than CONNECT');
    if (!scheme || !path || !authority) throw malformed('an extended CONNECT lacks :scheme, :path or :authority');
  } else if (method === 'CONNECT') {
    if (scheme !== null || path !== null || !authority) throw malformed('CONNECT has an :authority and neither :scheme nor :path');
  } else {
    if (!scheme || !path) throw malformed('there is no :scheme or no :path');
    const host = authority ?? headers.get('host');
    if (!host) throw malformed('there is neither :authority nor Host');
  }
  const wantsUpgrade = protocol !== null;
  // What follows an extended CONNECT is the other protocol's.
  return { method, scheme: 'https', authority: authority ?? '', path: path ?? '/', httpVersion: '3', headers, hasBody: hasBody && !wantsUpgrade, wantsUpgrade, protocol: protocol ?? undefined };
}

/** Throws `Http3StreamError`. */
export function responseStatus(fields: string[]): number {
  if (fields[0] !== ':status' || !STATUS.test(fields[1]!)) throw malformed('there is no sound :status');
  const status = Number(fields[1]);
  // Section 4.5: there is nothing to switch to.
  if (status === 101) throw malformed('101 has no place in HTTP/3');
  return status;
}

/** Throws `Http3StreamError`. */
export function responseHead(fields: string[], status: number, hasBody: boolean): ResponseHead {
  return { status, statusText: '', httpVersion: '3', headers: regular(fields, 2), hasBody };
}

/** A trailer section. Throws `Http3StreamError`. */
export function trailers(fields: string[]): Headers {
  return regular(fields, 0);
}

/** Bytes that the message is to have by its content-length; null where it has none. Throws `Http3StreamError`. */
export function announcedLength(headers: Headers): number | null {
  const values = headers.getAll('content-length');
  if (values.length === 0) return null;
  if (!LENGTH.test(values[0]!) || values.some((value) => value !== values[0])) throw malformed('the content-length is no number, or several');
  return Number(values[0]);
}

export function malformed(reason: string): Http3StreamError {
  return new Http3StreamError(H3.messageError, reason);
}

const COLON = 0x3a;

function regular(fields: string[], start: number): Headers {
  for (let at = start; at < fields.length; at += 2) {
    const name = fields[at]!;
    const value = fields[at + 1]!;
    if (!NAME.test(name)) throw malformed(name.startsWith(':') ? `${name} has no place here` : 'a field name is no token in lower case');
    if (!VALUE.test(value)) throw malformed(`the field ${name} has characters that none can have`);
    if (FORBIDDEN.has(name)) throw malformed(`the field ${name} has no place in HTTP/3`);
    if (name === 'te' && value.toLowerCase() !== 'trailers') throw malformed('TE says something else than trailers');
  }
  return new Headers(start === 0 ? fields : fields.slice(start));
}

function once(before: string | null, value: string): string {
  if (before !== null) throw malformed('a pseudo-header field is there twice');
  return value;
}
