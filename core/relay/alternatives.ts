/**
 * Alternative services (RFC 7838) in answers: a client that followed one which we cannot serve would lose time, or get past
 * the capture. Those over TCP are served like any other connection.
 */
import { Headers } from '../headers.ts';

const FIELD = 'alt-svc';
/** Protocols over UDP, by their ALPN names: HTTP/3 and its drafts, and what came before. */
const OVER_UDP = /^(h3|hq|quic)([-=]|$)/i;
const HTTP3 = /^h3=/i;

export interface Alternatives {
  readonly headers: Headers;
  /** What was taken out, such as `h3=":443"; ma=2592000`. */
  readonly removed: readonly string[];
}

/** What the client may be told; null where that is all. @param http3 the client can reach us by it. */
export function servedAlternatives(headers: Headers, http3: boolean): Alternatives | null {
  if (!headers.has(FIELD)) return null;
  const removed: string[] = [];
  const raw: string[] = [];
  for (const [name, value] of headers) {
    if (name.toLowerCase() !== FIELD) {
      raw.push(name, value);
      continue;
    }
    const entries = entriesOf(value);
    const kept = entries.filter((entry) => !OVER_UDP.test(entry) || (http3 && HTTP3.test(entry)));
    if (kept.length === entries.length) {
      raw.push(name, value);
      continue;
    }
    removed.push(...entries.filter((entry) => !kept.includes(entry)));
    if (kept.length > 0) raw.push(name, kept.join(', '));
  }
  return removed.length === 0 ? null : { headers: new Headers(raw), removed };
}

/** Entries stand between commas, which may also stand in quotes (RFC 9110, section 5.6). */
function entriesOf(value: string): string[] {
  const entries: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < value.length; at++) {
    const char = value[at];
    if (char === '"') isQuoted = !isQuoted;
    else if (isQuoted && char === '\\') at++;
    else if (!isQuoted && char === ',') {
      entries.push(value.slice(start, at));
      start = at + 1;
    }
  }
  return [...entries, value.slice(start)].map((entry) => entry.trim()).filter((entry) => entry !== '');
}
