/** Header lists of HTTP/2 in the forms that node:http2 takes and gives. */
import type { ResponseHead } from '../exchange.ts';
import { Headers } from '../headers.ts';

/** The list without its pseudo-header fields, which come first (RFC 9113, section 8.3). */
export function regularFields(raw: string[]): Headers {
  let start = 0;
  while (start < raw.length && raw[start]!.startsWith(':')) start += 2;
  return new Headers(start === 0 ? raw : raw.slice(start));
}

/** For the calls that take no list: fields of one name become an array, in order. */
export function fieldObject(headers: Headers): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = Object.create(null);
  const { raw } = headers;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    const before = fields[name];
    if (before === undefined) fields[name] = raw[i + 1]!;
    else if (Array.isArray(before)) before.push(raw[i + 1]!);
    else fields[name] = [before, raw[i + 1]!];
  }
  return fields;
}

/** The head of a response as node:http2 gives it. */
export function responseHead(raw: string[], hasBody: boolean): ResponseHead {
  return { status: Number(raw[0] === ':status' ? raw[1] : 0), statusText: '', httpVersion: '2', headers: regularFields(raw), hasBody };
}
