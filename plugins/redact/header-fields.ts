import type { HeaderPairs } from '../../core/index.ts';
import { MASK, maskText } from './mask.ts';
import type { RedactRules } from './rules.ts';

/** Schemes of credentials (RFC 9110, section 11.4) that may be shown; any other word could be the secret itself. */
const SCHEME = /^(?:bearer|basic|digest|negotiate|ntlm|token|apikey|dpop|hmac|hoba|mutual|vapid|gnap|scram-sha-(?:1|256)|aws4-hmac-sha256)(?=\s+\S)/i;
/** Digests of a body: they give away a short secret in it (RFC 9530 and its forerunners). */
const DIGESTS = new Set(['content-md5', 'digest', 'content-digest', 'repr-digest', 'x-amz-content-sha256', 'x-goog-hash']);

/** Masks values in place: order, names and number of the fields stay. Returns how many secrets there were. */
export function maskHeaders(headers: HeaderPairs, rules: RedactRules): number {
  let count = 0;
  for (const header of headers) {
    const [name, value] = header;
    if (value === '' || rules.headers.isKept(name)) continue;
    const masked = maskHeader(name.toLowerCase(), value, rules);
    header[1] = masked.text;
    count += masked.count;
  }
  return count;
}

/** Leaves out the digests of a body that was masked. */
export function maskDigests(headers: HeaderPairs): void {
  for (const header of headers) if (DIGESTS.has(header[0].toLowerCase())) header[1] = MASK;
}

function maskHeader(name: string, value: string, rules: RedactRules): { text: string; count: number } {
  if (name === 'set-cookie' || name === 'set-cookie2') {
    const [cookie, ...attributes] = value.split(';');
    const masked = maskCookie(cookie!);
    return { text: [masked.text, ...attributes].join(';'), count: masked.count };
  }
  if (name === 'cookie' || name === 'cookie2') {
    const cookies = value.split(';').map(maskCookie);
    return { text: cookies.map(({ text }) => text).join(';'), count: cookies.reduce((sum, cookie) => sum + cookie.count, 0) };
  }
  if (!rules.headers.isSecret(name, () => '')) return maskText(value, rules.line);
  const scheme = name.endsWith('authorization') ? SCHEME.exec(value)?.[0] : undefined;
  return { text: scheme === undefined ? MASK : `${scheme} ${MASK}`, count: 1 };
}

/** `name=value` (RFC 6265, section 4.1.1); without a name, all of it is value. */
function maskCookie(cookie: string): { text: string; count: number } {
  const at = cookie.indexOf('=');
  const [name, value] = at === -1 ? [/^\s*/.exec(cookie)![0], cookie.trim()] : [cookie.slice(0, at + 1), cookie.slice(at + 1).trim()];
  return value === '' ? { text: cookie, count: 0 } : { text: name + MASK, count: 1 };
}
