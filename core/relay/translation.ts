/** Heads on their way between HTTP versions: hop-by-hop fields, Host and `:authority`, cookie crumbs. */
import { Headers } from '../headers.ts';
import type { RequestHead, ResponseHead } from '../exchange.ts';
import { acceptanceOf, webSocketKey } from '../websocket/handshake.ts';

/** Fields that hold for one connection of HTTP/1 and are malformed in HTTP/2 (RFC 9113, section 8.2.2). */
const CONNECTION_FIELDS = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings']);
/** What a Connection field may nominate without being taken out: each link serves one client connection, so these keep their meaning. */
const KEPT_OPTIONS = new Set(['close', 'keep-alive', 'te', 'upgrade']);
/** Fields between the client and an explicit proxy (RFC 9110, section 11.7). */
const PROXY_FIELDS = new Set(['proxy-connection', 'proxy-authorization']);

/** The request as it goes to an upstream of the given version. The given head is left alone where anything must change. */
export function requestFor(head: RequestHead, version: '1.1' | '2' | '3', toProxy: boolean): RequestHead {
  const fromHttp1 = head.httpVersion.startsWith('1');
  if (head.protocol && version === '1.1') return upgradeRequest(head, head.protocol);
  if (fromHttp1 && version === '2' && head.wantsUpgrade && head.headers.get('upgrade')?.toLowerCase() === 'websocket') return extendedConnect(head);
  if (version !== '1.1') return { ...head, headers: fromHttp1 ? lowerCased(head.headers) : head.headers };
  if (!fromHttp1) return { ...head, httpVersion: '1.1', headers: withHost(head) };
  return needsScrubbing(head.headers, toProxy) ? { ...head, headers: scrubbed(head.headers, toProxy) } : head;
}

/** An extended CONNECT as HTTP/1.1 says it (RFC 8441, section 5). */
function upgradeRequest(head: RequestHead, protocol: string): RequestHead {
  const { raw } = withHost(head);
  raw.push('connection', 'Upgrade', 'upgrade', protocol);
  if (protocol === 'websocket') raw.push('sec-websocket-key', webSocketKey());
  return { ...head, method: 'GET', httpVersion: '1.1', headers: new Headers(raw) };
}

/** The handshake of a WebSocket as HTTP/2 says it. */
function extendedConnect(head: RequestHead): RequestHead {
  const headers = lowerCased(head.headers);
  headers.delete('sec-websocket-key');
  return { ...head, method: 'CONNECT', protocol: 'websocket', headers };
}

/** The consent to another protocol, as it goes to the client. */
export function upgradeFor(head: ResponseHead, request: RequestHead): ResponseHead {
  const toHttp1 = request.httpVersion.startsWith('1');
  if (toHttp1 === head.httpVersion.startsWith('1')) return head;
  if (toHttp1) {
    const accept = acceptanceOf(request.headers.get('sec-websocket-key') ?? '');
    const headers = new Headers(['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', accept, ...head.headers.raw]);
    return { ...head, status: 101, statusText: 'Switching Protocols', headers };
  }
  const headers = lowerCased(head.headers);
  headers.delete('sec-websocket-accept');
  return { ...head, status: 200, statusText: '', headers };
}

/** The response as it goes to a client of the given version. */
export function responseFor(head: ResponseHead, clientVersion: string): ResponseHead {
  if (clientVersion.startsWith('1') || !head.httpVersion.startsWith('1')) return head;
  return { ...head, headers: lowerCased(head.headers) };
}

function needsScrubbing(headers: Headers, toProxy: boolean): boolean {
  const connection = headers.getAll('connection').join(',');
  if (connection !== '' && !/^(close|keep-alive)$/i.test(connection)) return true;
  return (toProxy && [...PROXY_FIELDS].some((name) => headers.has(name))) || headers.has('upgrade');
}

function scrubbed(headers: Headers, toProxy: boolean): Headers {
  // An upgrade to HTTP/2 in clear text would hide what follows; without the offer, both sides stay with HTTP/1.1.
  const refused = upgradeProtocols(headers).includes('h2c');
  const options = headers.getAll('connection').join(',').split(',').map((option) => option.trim()).filter((option) => option !== '');
  const dropped = new Set(options.map((option) => option.toLowerCase()).filter((option) => !KEPT_OPTIONS.has(option)));
  if (refused) for (const name of ['upgrade', 'http2-settings']) dropped.add(name);
  if (toProxy) for (const name of PROXY_FIELDS) dropped.add(name);
  const raw: string[] = [];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (dropped.has(lower)) continue;
    if (lower !== 'connection') {
      raw.push(name, value);
      continue;
    }
    const kept = value.split(',').map((option) => option.trim()).filter((option) => !dropped.has(option.toLowerCase()));
    if (kept.length > 0) raw.push(name, kept.join(', '));
  }
  return new Headers(raw);
}

/** What all Upgrade fields name, in lower case. */
export function upgradeProtocols(headers: Headers): string[] {
  return headers.getAll('upgrade').join(',').toLowerCase().split(',').map((protocol) => protocol.trim()).filter((protocol) => protocol !== '');
}

function lowerCased(headers: Headers): Headers {
  const nominated = new Set(headers.getAll('connection').join(',').toLowerCase().split(',').map((option) => option.trim()));
  const raw: string[] = [];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (CONNECTION_FIELDS.has(lower) || lower === 'host') continue;
    if (lower === 'te') {
      if (/\btrailers\b/i.test(value)) raw.push('te', 'trailers');
    } else if (!nominated.has(lower)) {
      raw.push(lower, value);
    }
  }
  return new Headers(raw);
}

/** Host first, and one Cookie field of the crumbs (RFC 9113, section 8.2.3). */
function withHost(head: RequestHead): Headers {
  const raw = ['host', head.authority];
  const crumbs = head.headers.getAll('cookie');
  let cookieWritten = false;
  for (const [name, value] of head.headers) {
    if (name === 'host') continue;
    if (name !== 'cookie') raw.push(name, value);
    else if (!cookieWritten) {
      cookieWritten = true;
      raw.push('cookie', crumbs.join('; '));
    }
  }
  return new Headers(raw);
}
