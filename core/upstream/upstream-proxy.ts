/** A company's proxy between the dialler and the servers: `http://`, `https://` (CONNECT) or `socks5://` (RFC 1928, names sent to it). */
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { MentuError } from '../errors.ts';
import { canonicalHost, hostInUrl, isAddress } from '../names/host.ts';
import type { KeyLog } from '../tls/key-log.ts';
import { openHttpTunnel } from './http-tunnel.ts';
import { openSocksTunnel } from './socks-tunnel.ts';
import type { ProxyCredentials, TunnelTarget } from './tunnel-target.ts';

interface TunnelOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443, 'socks5:': 1080, 'socks5h:': 1080 };

export class UpstreamProxy {
  readonly host: string;
  readonly port: number;
  /** The URL without credentials, for records and messages. */
  readonly label: string;
  readonly #scheme: string;
  readonly #credentials: ProxyCredentials | null;
  readonly #trusted: readonly string[] | undefined;
  readonly #keyLog: KeyLog | null;

  /**
   * `url` as in the profile's `upstreamProxy`. `trusted`: CA certificates in PEM for an `https` proxy, in the place of
   * Node's own. `keyLog` takes the secrets of the TLS with it. Throws `upstream_proxy_invalid`.
   */
  constructor(url: string, trusted?: readonly string[], keyLog: KeyLog | null = null) {
    const parsed = URL.parse(url);
    const invalid = (reason: string): MentuError => new MentuError('upstream_proxy_invalid', { proxy: withoutCredentials(url), reason });
    if (parsed === null) throw invalid('it is no URL');
    const defaultPort = DEFAULT_PORTS[parsed.protocol];
    if (defaultPort === undefined) throw invalid(`the scheme ${parsed.protocol} is not http, https or socks5`);
    if ((parsed.pathname !== '' && parsed.pathname !== '/') || parsed.search || parsed.hash) throw invalid('it holds a path');
    const host = canonicalHost(decode(parsed.hostname));
    if (host === null) throw invalid('it names no host');
    this.#scheme = parsed.protocol;
    this.host = host;
    this.port = parsed.port === '' ? defaultPort : Number(parsed.port);
    if (this.port === 0) throw invalid('the port is not 1 to 65535');
    this.label = `${parsed.protocol}//${hostInUrl(host)}:${this.port}`;
    this.#credentials = parsed.username === '' ? null : { user: decode(parsed.username), password: decode(parsed.password) };
    this.#trusted = trusted;
    this.#keyLog = keyLog;
    const tooLong = this.#isSocks && Object.values(this.#credentials ?? {}).some((part: string) => Buffer.byteLength(part) > 255);
    if (tooLong) throw invalid('SOCKS5 takes at most 255 bytes of user name and of password (RFC 1929)');
  }

  /** Asks the proxy, over a connection to it, for one to the target. Rejects with `upstream_proxy_failed` or the signal's reason; the link is closed then. */
  async tunnel(link: Socket, target: TunnelTarget, { timeoutMs, signal }: TunnelOptions): Promise<Socket> {
    const late = setTimeout(() => link.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)), timeoutMs);
    const aborted = (): void => void link.destroy();
    signal?.addEventListener('abort', aborted, { once: true });
    try {
      signal?.throwIfAborted();
      const socket = this.#scheme === 'https:' ? await this.#secure(link) : link;
      await (this.#isSocks ? openSocksTunnel(socket, target, this.#credentials) : openHttpTunnel(socket, target, this.#credentials));
      return socket;
    } catch (error) {
      link.destroy();
      if (signal?.aborted) throw signal.reason;
      throw this.failure(target.host, error instanceof Error ? error.message : String(error), error);
    } finally {
      clearTimeout(late);
      signal?.removeEventListener('abort', aborted);
    }
  }

  failure(host: string, reason: string, cause?: unknown): MentuError {
    return new MentuError('upstream_proxy_failed', { proxy: this.label, host, reason }, { cause });
  }

  get #isSocks(): boolean {
    return this.#scheme.startsWith('socks5');
  }

  #secure(link: Socket): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        socket: link,
        ...(isAddress(this.host) ? { host: this.host } : { host: this.host, servername: this.host }),
        ...(this.#trusted ? { ca: [...this.#trusted] } : {}),
        ALPNProtocols: ['http/1.1'],
      });
      this.#keyLog?.watch(socket);
      socket.once('secureConnect', () => resolve(socket));
      // Stays: an error before the new owner listens must not end the process.
      socket.on('error', reject);
      socket.once('close', () => reject(new Error('the proxy closed the connection')));
    });
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function withoutCredentials(url: string): string {
  return url.replace(/^([a-z0-9]+:\/\/)?.*@/i, '$1');
}
