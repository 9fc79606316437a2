/** What a request is for: scheme, authority and path behind the request target and Host (RFC 9112, section 3.2 and 3.3). */
import { MentuError } from '../errors.ts';
import type { RequestLine } from '../http1/head.ts';
import { splitAuthority } from '../names/authority.ts';
import { hostInUrl } from '../names/host.ts';
import type { RequestHead } from '../exchange.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';

export interface Route {
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly path: string;
}

/** Throws `bad_request` where the target or Host cannot be read, or Host is missing, double or unlike the target. */
export function routeRequest(line: RequestLine, connection: CapturedConnection, scheme: 'http' | 'https'): Route {
  const { target } = line;
  const host = hostField(line);
  if (line.method === 'CONNECT') return { scheme, authority: tunnelTarget(target, host), path: '' };
  if (target.startsWith('/') || target === '*') return { scheme, authority: host ?? destinationAuthority(connection, scheme), path: target };
  const route = absoluteTarget(target);
  if (!route) throw bad('the request target is neither a path nor a URL');
  if (host !== null && !sameAuthority(host, route.authority, route.scheme)) throw bad('Host is unlike the request target');
  return { ...route, scheme };
}

/** The authority-form target of a CONNECT (RFC 9112, section 3.2.3), which names a port. */
function tunnelTarget(target: string, host: string | null): string {
  const authority = splitAuthority(target);
  if (!authority || authority.port === null) throw bad('CONNECT wants a host and port');
  if (host !== null && splitAuthority(host)!.host !== authority.host) throw bad('Host is unlike the request target');
  return target;
}

/** The parts of an absolute-form target; null for anything else. */
export function absoluteTarget(target: string): Route | null {
  const parts = /^(https?):\/\/([^/?#]+)([/?].*)?$/i.exec(target);
  if (!parts || !splitAuthority(parts[2]!)) return null;
  const rest = parts[3] ?? '/';
  return { scheme: parts[1]!.toLowerCase() as 'http' | 'https', authority: parts[2]!, path: rest.startsWith('/') ? rest : '/' + rest };
}

/** The one valid Host of a request; null where HTTP/1.0 gives none. */
export function hostField(line: RequestLine): string | null {
  const values = line.headers.getAll('host');
  if (values.length > 1) throw bad('there is more than one Host');
  const host = values[0];
  if (host === undefined) {
    if (line.version === 'HTTP/1.1') throw bad('Host is missing');
    return null;
  }
  if (!splitAuthority(host)) throw bad('Host is not a host and port');
  return host;
}

/** HTTP/2 and 3: `:authority`, or Host in its place; what is wrong with them, or null (RFC 9113, section 8.3.1). */
export function settleAuthority(head: RequestHead, connection: CapturedConnection): MentuError | null {
  const hosts = head.headers.getAll('host');
  if (hosts.length > 1) return bad('there is more than one Host');
  if (head.protocol === undefined && head.method === 'CONNECT') return bad('CONNECT is for an explicit proxy');
  // Others lead to further destinations (RFC 9298), past the decision on this one.
  if (head.protocol !== undefined && head.method !== 'CONNECT') return bad(':protocol is for CONNECT');
  if (head.protocol !== undefined && head.protocol !== 'websocket') return new MentuError('upgrade_unsupported', { protocol: JSON.stringify(head.protocol) });
  // Over HTTP/1 it would be read as a target of another form, for another authority.
  if (!isPath(head.path)) return bad(':path is no path');
  if (head.authority === '') head.authority = hosts[0] ?? destinationAuthority(connection, head.scheme);
  if (!splitAuthority(head.authority)) return bad(':authority is not a host and port');
  if (hosts[0] !== undefined && !sameAuthority(hosts[0], head.authority, head.scheme)) return bad('Host is unlike :authority');
  return null;
}

export function sameAuthority(a: string, b: string, scheme: 'http' | 'https'): boolean {
  const left = splitAuthority(a);
  const right = splitAuthority(b);
  const usual = scheme === 'https' ? 443 : 80;
  return left !== null && right !== null && left.host === right.host && (left.port ?? usual) === (right.port ?? usual);
}

export function destinationAuthority(connection: CapturedConnection, scheme: 'http' | 'https'): string {
  const { port } = connection.destination;
  const host = hostInUrl(connection.host);
  return port === (scheme === 'https' ? 443 : 80) ? host : `${host}:${port}`;
}

function bad(reason: string): MentuError {
  return new MentuError('bad_request', { reason });
}

/** A target in origin form, or the asterisk; bytes beyond ASCII are let through. */
export function isPath(text: string): boolean {
  return text === '*' || /^\/[\x21-\x7e\x80-\xff]*$/.test(text);
}
