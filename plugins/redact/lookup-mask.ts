/** Look-ups over HTTPS (RFC 8484) of names that are masked: the address has the question once more, as a message in base64 or as text in another spelling. */
import type { FlowRecord, HeaderPairs } from '../../core/index.ts';
import { MASK } from './mask.ts';

const QUESTIONS: ReadonlySet<string> = new Set(['dns', 'name']);
/** In addresses that stand in headers, such as Location and Referer. */
const IN_HEADERS = /([?&](?:dns|name)=)[^&#\s"'<>]+/g;

/** Masks the question of a look-up wherever the record has an address, in place. Returns how often. */
export function maskQuestion({ request, response }: FlowRecord): number {
  let count = 0;
  if (request !== null) {
    const url = maskQuery(request.url);
    if (url !== request.url) count += 1;
    request.url = url;
  }
  const informational = response?.informational.map(({ headers }) => headers) ?? [];
  for (const headers of [request?.headers, response?.headers, ...informational]) count += headers ? maskAddresses(headers) : 0;
  return count;
}

/** Names of parameters may be escaped like their values. */
function maskQuery(url: string): string {
  const start = url.indexOf('?') + 1;
  if (start === 0) return url;
  const parameters = url.slice(start).split('&').map((parameter) => {
    const value = parameter.indexOf('=') + 1;
    const [name] = new URLSearchParams(parameter).keys();
    return value > 0 && name !== undefined && QUESTIONS.has(name) ? parameter.slice(0, value) + MASK : parameter;
  });
  return url.slice(0, start) + parameters.join('&');
}

function maskAddresses(headers: HeaderPairs): number {
  let count = 0;
  for (const field of headers) {
    const masked = field[1].replace(IN_HEADERS, `$1${MASK}`);
    if (masked !== field[1]) count += 1;
    field[1] = masked;
  }
  return count;
}
