/**
 * The dialler: the one place where the capture opens connections. It resolves a name once, vets every address,
 * and dials an address that it has vetted; no preset and no plugin has a say in that.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import { canonicalHost, isAddress } from '../names/host.ts';
import { abortable } from './abortable.ts';
import { AddressGuard } from './address-guard.ts';
import { ConnectError, connectFirst, interleaveFamilies, type Connected, type ConnectTarget } from './happy-eyeballs.ts';
import { OwnEndpoints } from './own-endpoints.ts';
import { HostPins, type Pin } from './pins.ts';
import { lookupAt } from './server-lookup.ts';
import { Resolver, type LookedUpAddress, type Resolution, type ResolverOptions } from './resolver.ts';
import type { UpstreamRecord } from '../record.ts';
import type { UpstreamProxy } from './upstream-proxy.ts';

/** Addresses of one name that are tried at most. */
const MAX_ATTEMPTS = 10;
/** Behind an upstream proxy there may be no resolver for public names: it is not waited for long, nor asked often. */
const BEHIND_PROXY: ResolverOptions = { timeoutMs: 2_000, failureTtlMs: 60_000 };

export interface DiallerOptions {
  /** Pins: a name or an address → `address[:port]`. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Names are looked up here, when they are not pinned. */
  readonly resolver?: Resolver;
  readonly guard?: AddressGuard;
  /** Who is asked for names in place of the host's resolvers; see `parseNameServer`. */
  readonly dnsServers?: readonly string[] | null;
  /** Every connection but a pinned one goes through it. */
  readonly proxy?: UpstreamProxy | null;
  /** For a connection once its addresses are known, in milliseconds. Default 30000. */
  readonly connectTimeoutMs?: number;
  /** Between two attempts of Happy Eyeballs, in milliseconds. Default 250. */
  readonly staggerMs?: number;
}

export interface ResolvedHost {
  /** Canonical. */
  readonly host: string;
  /** Vetted, or pinned, in the order in which they are tried. Empty only where `byProxy`. */
  readonly addresses: readonly LookedUpAddress[];
  readonly pin: Pin | null;
  /** How many addresses of the name are left out because they are not public. */
  readonly refused: number;
  /** True where the name is left to the upstream proxy, for it does not resolve here. */
  readonly byProxy: boolean;
  /** Milliseconds of the look-up; null where there was none. */
  readonly ms: number | null;
}

export interface DialRequest {
  /** Canonical name or address: what is resolved, and what errors call it. */
  readonly host: string;
  /** An address that takes the place of the name's own; vetted like any other. */
  readonly address?: string | null | undefined;
  readonly port: number;
  readonly signal?: AbortSignal | undefined;
  /** For relays that keep one direction open after the other has ended. Default false. */
  readonly allowHalfOpen?: boolean;
}

/** A connection that stands. */
export interface Dialled {
  readonly socket: Duplex;
  /** Where the socket leads: the vetted address, or the upstream proxy's. */
  readonly address: string;
  readonly port: number;
  /** The upstream proxy without its credentials; null where there is none between. */
  readonly proxy: string | null;
  /** Milliseconds. */
  readonly timing: { readonly dns: number | null; readonly connect: number; readonly tls?: number | null };
  /** Where it is secured already. */
  readonly tls?: UpstreamRecord['tls'];
  /** Why a secured connection was closed that nothing came of: the server's verdict on our certificate, or on its absence; null where that was not it. */
  readonly refusal?: () => Promise<MentuError | null>;
}

export interface DialledSocket extends Dialled {
  /** Connected, without Nagle's delay, with TCP keep-alive. */
  readonly socket: Socket;
}

/** What opens the connections of a session: the dialler itself, or a tunnel that the client has asked for. */
export interface UpstreamDialler {
  dial(request: DialRequest): Promise<Dialled>;
  /** Throws `address_denied` for an address that would not be dialled, also where somebody else is to dial it. */
  vet(host: string): void;
}

export class Dialler implements UpstreamDialler {
  readonly guard: AddressGuard;
  /** Our own listeners; whoever opens one adds it. */
  readonly ownEndpoints: OwnEndpoints;
  /** Null: the host's own. */
  readonly dnsServers: readonly string[] | null;
  readonly #pins: HostPins;
  readonly #resolver: Resolver;
  readonly #proxy: UpstreamProxy | null;
  readonly #timeoutMs: number;
  readonly #staggerMs: number;

  /** Throws `host_pin_invalid`. */
  constructor(options: DiallerOptions = {}) {
    this.guard = options.guard ?? new AddressGuard();
    this.ownEndpoints = new OwnEndpoints(this.guard);
    this.#pins = new HostPins(options.hosts ?? {});
    this.dnsServers = options.dnsServers ?? null;
    const lookup = this.dnsServers ? { lookup: lookupAt(this.dnsServers) } : {};
    this.#resolver = options.resolver ?? new Resolver({ ...lookup, ...(options.proxy ? BEHIND_PROXY : {}) });
    this.#proxy = options.proxy ?? null;
    this.#timeoutMs = options.connectTimeoutMs ?? 30_000;
    this.#staggerMs = options.staggerMs ?? 250;
  }

  /** True for a canonical name or address that the profile leads to a place of its choice. */
  isPinned(host: string): boolean {
    return this.#pins.get(host) !== undefined;
  }

  /** The addresses that a host may be dialled at. Rejects with `name_not_found` or `address_denied`. */
  resolve(host: string): Promise<ResolvedHost> {
    return this.#resolve(host, host);
  }

  /**
   * Opens a connection. Rejects with `name_not_found`, `address_denied`, `proxy_loop`, `connect_failed`, `connect_timeout`,
   * `upstream_proxy_failed`, or the signal's reason.
   */
  async dial(request: DialRequest): Promise<DialledSocket> {
    request.signal?.throwIfAborted();
    const resolved = await abortable(this.#resolve(this.#named(request), request.host), request.signal);
    const start = performance.now();
    const through = resolved.pin === null ? this.#proxy : null;
    const { socket, target: peer } = through ? await this.#throughProxy(through, resolved, request) : await this.#directly(resolved, request);
    return { socket, ...peer, proxy: through?.label ?? null, timing: { dns: resolved.ms, connect: performance.now() - start } };
  }

  vet(host: string): void {
    if (isAddress(host) && !this.#pins.get(host)) this.#vetted(host, [withFamily(host)]);
  }

  /**
   * Where datagrams for a host may be sent: vetted like its connections. Null where its connections go through the upstream
   * proxy, which takes none. Rejects like `dial`.
   */
  async datagramTargets(request: DialRequest): Promise<{ readonly targets: readonly ConnectTarget[]; readonly dns: number | null } | null> {
    const { addresses, pin, ms } = await abortable(this.#resolve(this.#named(request), request.host), request.signal);
    if (pin === null && this.#proxy) return null;
    const targets = addresses.map(({ address }) => ({ address, port: pin?.port ?? request.port }));
    return { targets: this.#foreign(targets, request.host), dns: ms };
  }

  /** A pinned name goes where it is pinned to, whatever address the client dialled. */
  #named({ host, address }: DialRequest): string {
    return address && !this.#pins.get(host) ? address : host;
  }

  #foreign(targets: readonly ConnectTarget[], host: string): readonly ConnectTarget[] {
    const foreign = targets.filter(({ address, port }) => !this.ownEndpoints.has(address, port));
    if (foreign.length === 0) throw new MentuError('proxy_loop', { host });
    return foreign;
  }

  /** `called` is the host in errors. */
  async #resolve(host: string, called: string): Promise<ResolvedHost> {
    const canonical = canonicalHost(host);
    if (canonical === null) throw new MentuError('name_not_found', { host: called, reason: 'it is no host name' });
    const resolved = { host: canonical, addresses: [], pin: null, refused: 0, byProxy: false, ms: null };
    const pin = this.#pins.get(canonical);
    if (pin) return { ...resolved, addresses: [withFamily(pin.address)], pin };
    if (isAddress(canonical)) return { ...resolved, addresses: this.#vetted(called, [withFamily(canonical)]) };
    const resolution = await this.#lookUp(canonical);
    if (resolution === null) return { ...resolved, byProxy: true };
    const vetted = this.#vetted(called, resolution.addresses);
    const addresses = interleaveFamilies(vetted).slice(0, MAX_ATTEMPTS);
    return { ...resolved, addresses, refused: resolution.addresses.length - vetted.length, ms: resolution.ms };
  }

  async #directly({ addresses, pin }: ResolvedHost, request: DialRequest): Promise<Connected> {
    const port = pin?.port ?? request.port;
    return this.#connect(addresses.map(({ address }) => ({ address, port })), request);
  }

  /**
   * The proxy gets the name and resolves it by itself, unless some of the addresses that we know are refused:
   * then it gets one that is not. What a name means to the proxy alone is out of our sight.
   */
  async #throughProxy(proxy: UpstreamProxy, resolved: ResolvedHost, request: DialRequest): Promise<Connected> {
    const host = resolved.refused > 0 ? resolved.addresses[0]!.address : resolved.host;
    const addresses = await abortable(this.#proxyAddresses(proxy, request.host), request.signal);
    const link = await this.#connect(addresses.map(({ address }) => ({ address, port: proxy.port })), request, proxy);
    const socket = await proxy.tunnel(link.socket, { host, port: request.port }, { timeoutMs: this.#timeoutMs, signal: request.signal });
    return { socket, target: link.target };
  }

  async #connect(targets: readonly ConnectTarget[], request: DialRequest, proxy: UpstreamProxy | null = null): Promise<Connected> {
    const allowed = this.#foreign(targets, request.host);
    try {
      return await connectFirst(allowed, {
        staggerMs: this.#staggerMs,
        timeoutMs: this.#timeoutMs,
        allowHalfOpen: request.allowHalfOpen ?? false,
        signal: request.signal,
      });
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      if (proxy) throw proxy.failure(request.host, error.message, error);
      const { address } = error.target;
      if (error.reason === 'timeout') throw new MentuError('connect_timeout', { host: request.host, address, seconds: this.#timeoutMs / 1_000 }, { cause: error });
      throw new MentuError('connect_failed', { host: request.host, address, reason: error.message }, { cause: error });
    }
  }

  /** Null: the name is the upstream proxy's to resolve. */
  async #lookUp(name: string): Promise<Resolution | null> {
    if (!this.#proxy) return this.#resolver.resolve(name);
    try {
      return await this.#resolver.resolve(name);
    } catch (error) {
      if (error instanceof MentuError) return null;
      throw error;
    }
  }

  /** As configured, and not vetted: a company's proxy is often in private space. */
  async #proxyAddresses(proxy: UpstreamProxy, host: string): Promise<LookedUpAddress[]> {
    if (isAddress(proxy.host)) return [withFamily(proxy.host)];
    try {
      return interleaveFamilies((await this.#resolver.resolve(proxy.host)).addresses).slice(0, MAX_ATTEMPTS);
    } catch (error) {
      throw proxy.failure(host, error instanceof MentuError ? String(error.params['reason']) : String(error), error);
    }
  }

  #vetted(host: string, addresses: readonly LookedUpAddress[]): LookedUpAddress[] {
    const vetted = addresses.filter(({ address }) => this.guard.refusal(address) === null);
    if (vetted.length > 0) return vetted;
    const { address } = addresses[0]!;
    const refusal = this.guard.refusal(address)!;
    throw new MentuError('address_denied', { host, address, range: refusal.name, source: refusal.source });
  }
}

function withFamily(address: string): LookedUpAddress {
  return { address, family: address.includes(':') ? 6 : 4 };
}
