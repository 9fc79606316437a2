/**
 * A capture: everything between the listeners and the hooks, as one object. Its owner gives it
 * listeners and closes it; plugins tap its hooks before it starts.
 *
 * It is the face of the core towards who runs captures. Plugins need none of it, which is why it stands
 * apart from `index.ts`: a plugin does not load the proxy.
 */
import type { Socket as UdpSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import { DNS_OVER_TLS_PORT, refuseDnsOverTls } from './dns/over-tls.ts';
import { MentuError } from './errors.ts';
import type { Destination } from './flow.ts';
import { CaptureHooks } from './hooks.ts';
import { connectionLimit } from './listener/connection-limit.ts';
import { ExplicitListener } from './listener/explicit.ts';
import { GuestNetwork, type GuestListeners, type GuestNetworkOptions } from './listener/guest-network.ts';
import { GuestQuic } from './listener/guest-quic.ts';
import { Http3Listener } from './listener/http3.ts';
import { socketAddress } from './names/host.ts';
import type { JobView } from './plugin.ts';
import { CONNECTION_REFUSED, type QuicArrival } from './quic/arrival.ts';
import { QuicKeyRelay } from './quic/key-relay.ts';
import { QuicTransport } from './quic/transport.ts';
import { UdpPort } from './quic/udp-port.ts';
import type { FlowKind } from './record.ts';
import { BodyReader } from './recorder/body-text.ts';
import { BodyStore } from './recorder/bodies.ts';
import { FlowRecorder } from './recorder/flow-recorder.ts';
import { AlpnMemory } from './relay/alpn-memory.ts';
import { CapturedConnection } from './flows/captured-connection.ts';
import { ForwardSession } from './relay/forward-session.ts';
import { QuicSession } from './relay/quic-session.ts';
import type { SessionServices } from './relay/services.ts';
import { PinnedNames } from './relay/pinned-names.ts';
import { ClientSession } from './relay/session.ts';
import { CertificateAuthority } from './tls/authority.ts';
import { ClientAuth, type ClientAuthRule } from './tls/client-auth.ts';
import { ClientCertificates, type ClientCertificateRule } from './tls/client-certificates.ts';
import type { KeyLog } from './tls/key-log.ts';
import { UpstreamTls } from './tls/upstream-tls.ts';
import { Dialler } from './upstream/dialler.ts';
import { Http3Dialler } from './upstream/http3-dialler.ts';

export { CertificateAuthority } from './tls/authority.ts';
export type { ClientAuthRule } from './tls/client-auth.ts';
export type { ClientCertificateRule } from './tls/client-certificates.ts';
export { openClientIdentity, type ClientIdentity, type ClientIdentitySource } from './tls/client-identity.ts';
export { KeyLog } from './tls/key-log.ts';
export { Dialler } from './upstream/dialler.ts';
export { UpstreamProxy } from './upstream/upstream-proxy.ts';

export const DEFAULT_STREAM_LIMIT = 4096;

export interface CaptureOptions {
  readonly job: Pick<JobView, 'id' | 'directory'>;
  readonly authority: CertificateAuthority;
  readonly dialler: Dialler;
  /** PEM texts of CAs that are trusted upstream beside the system's and Node's. */
  readonly trustedCAs: readonly string[];
  /** Ours, for upstreams that ask for one. */
  readonly clientCertificates?: readonly ClientCertificateRule[] | undefined;
  /** Which clients are asked for theirs. */
  readonly clientAuth?: readonly ClientAuthRule[] | undefined;
  readonly bodies: {
    /** `none` counts bytes and keeps nothing. */
    readonly keep: 'whole' | 'none';
    /** Bytes of a body that a record's line shows. */
    readonly limit: number;
    /** Bytes of each direction of a raw connection that its record shows. Default 4096. */
    readonly streamLimit?: number;
    /** Bytes that the files under `bodies/` may take together. */
    readonly quota: number;
  };
  /** Takes the secrets of every handshake, the clients' and the upstreams'; left out, none are asked for. */
  readonly keyLog?: KeyLog | null;
  /** Clients' connections that are open at once; by default as many as this process's limit of open files allows. */
  readonly maxConnections?: number;
  /** Told of a failing observer; the traffic goes on. */
  onPluginFailure(plugin: string, hook: string, error: unknown): void;
  /** Told of trouble that the user should know of and that ends nothing. */
  warn(error: MentuError): void;
}

export class Capture {
  readonly hooks: CaptureHooks;
  readonly dialler: Dialler;
  readonly authority: CertificateAuthority;
  readonly #options: CaptureOptions;
  readonly #maxConnections: number;
  readonly #upstreamTls: UpstreamTls;
  readonly #listeners = new Set<{ close(): void }>();
  readonly #sessions = new Set<ClientSession | ForwardSession | QuicSession>();
  #services: SessionServices | null = null;
  #store: BodyStore | null = null;
  #quicKeys: QuicKeyRelay | null = null;
  #connections = 0;
  #closed = false;

  constructor(options: CaptureOptions) {
    this.#options = options;
    this.#maxConnections = options.maxConnections ?? connectionLimit();
    this.hooks = new CaptureHooks(options.onPluginFailure);
    this.dialler = options.dialler;
    this.authority = options.authority;
    this.#upstreamTls = new UpstreamTls(options.trustedCAs, { certificates: new ClientCertificates(options.clientCertificates), keyLog: options.keyLog });
  }

  /** Runs `onStart`; from here on the hooks have all their taps. Rejects with what a plugin throws. */
  async start(): Promise<void> {
    const { job, bodies, warn } = this.#options;
    await this.hooks.start();
    const recorded = this.hooks.recordIsWanted;
    if (recorded && bodies.keep === 'whole') this.#store = new BodyStore(job.directory, { quota: bodies.quota, warn });
    const settings = recorded ? { limit: bodies.limit, beginning: bodies.keep === 'none' ? 0 : (bodies.streamLimit ?? DEFAULT_STREAM_LIMIT), keep: bodies.keep, reader: new BodyReader(bodies.limit), store: this.#store } : null;
    this.#services = {
      recorder: new FlowRecorder(job.id, this.hooks, settings, this.#store, this.#options.onPluginFailure),
      authority: this.authority,
      dialler: this.dialler,
      upstreamTls: this.#upstreamTls,
      clientAuth: new ClientAuth(this.#options.clientAuth),
      alpnMemory: new AlpnMemory(),
      pinnedNames: new PinnedNames(),
      keyLog: this.#options.keyLog ?? null,
      nextConnectionId: () => this.#nextId(),
    };
    this.#upstreamTls.warm();
  }

  /** Captures the whole network of a guest. To close what is returned breaks off what the guest left open; a job may have several, one after the other. */
  captureGuest(listeners: GuestListeners): { close(): void } {
    const sessions = new Set<ClientSession | QuicSession>();
    const { recorder } = this.#services!;
    const accept = (socket: Socket, destination: Destination): void => {
      if (destination.port === DNS_OVER_TLS_PORT) refuseDnsOverTls(recorder, socket, this.#connectionOf(socket, destination));
      else this.#accept(socket, destination, sessions, quic);
    };
    const quic = listeners.udp && this.#guestQuic(sessions);
    const network = new GuestNetwork(listeners, { dialler: this.dialler, recorder, nextId: () => this.#nextId(), warn: this.#options.warn, accept, quic });
    this.#listeners.add(network);
    return {
      close: () => {
        network.close();
        this.#listeners.delete(network);
        for (const session of sessions) session.destroy();
      },
    };
  }

  /** QUIC of one guest. The transport is loaded while the guest starts. */
  #guestQuic(sessions: Set<ClientSession | QuicSession>): NonNullable<GuestNetworkOptions['quic']> {
    let way: Http3Dialler | null = null;
    const loaded = this.#loadQuic().then(({ transport, reason }) => {
      if (transport === null) return { quic: null, reason };
      way = new Http3Dialler(transport, this.dialler, this.#upstreamTls);
      return { quic: new GuestQuic(transport), reason: null };
    });
    const acceptQuic = (arrival: QuicArrival, destination: Destination): void => this.#acceptQuic(arrival, destination, way!, sessions);
    return { quic: () => loaded, acceptQuic, get isReady() { return way !== null; } };
  }

  /** Captures what comes through an explicit proxy: HTTP and SOCKS5 on one port. */
  captureExplicit(server: Server): void {
    this.#listeners.add(new ExplicitListener(server, { accept: this.#accept, forward: this.#forward, crowded: this.#refuse, refused: this.#refused }, this.#maxConnections));
  }

  /** Captures what clients outside of a guest send to a bound UDP socket by HTTP/3. Gives why it cannot be, or null. */
  async captureHttp3(socket: UdpSocket): Promise<string | null> {
    const { transport, reason } = await this.#loadQuic();
    if (transport === null) return reason;
    const port = new UdpPort(socket, null);
    this.dialler.ownEndpoints.add(port.local.address, port.local.port);
    const way = new Http3Dialler(transport, this.dialler, this.#upstreamTls);
    this.#listeners.add(new Http3Listener({ transport, port, maxConnections: this.#maxConnections, accept: (arrival, destination) => this.#acceptQuic(arrival, destination, way) }));
    return null;
  }

  #loadQuic(): ReturnType<typeof QuicTransport.load> {
    const { keyLog, job } = this.#options;
    return QuicTransport.load((this.#quicKeys ??= keyLog ? new QuicKeyRelay(keyLog, job.directory) : null));
  }

  readonly #acceptQuic = (arrival: QuicArrival, destination: Destination, way: Http3Dialler, ofGuest?: Set<ClientSession | QuicSession>): void => {
    if (this.#closed || this.#sessions.size >= this.#maxConnections) return arrival.refuse(CONNECTION_REFUSED, 'too many connections');
    const session = new QuicSession(this.#services!, way, arrival, new CapturedConnection(this.#nextId(), arrival.peer, destination), () => {
      this.#sessions.delete(session);
      ofGuest?.delete(session);
    });
    this.#sessions.add(session);
    ofGuest?.add(session);
    session.begin();
  };

  /** A connection to one destination. */
  readonly #accept = (socket: Socket, destination: Destination, ofGuest?: Set<ClientSession | QuicSession>, quic?: GuestNetworkOptions['quic']): void => {
    if (this.#closed) return void socket.destroy();
    if (this.#sessions.size >= this.#maxConnections) return this.#refuse(socket, destination);
    const session = new ClientSession(this.#services!, socket, this.#connectionOf(socket, destination), () => {
      this.#sessions.delete(session);
      ofGuest?.delete(session);
    });
    this.#sessions.add(session);
    ofGuest?.add(session);
    session.connection.servesHttp3 = quic?.isReady ?? false;
    session.begin();
  };

  /** A connection of requests in absolute form. */
  readonly #forward = (socket: Socket): void => {
    if (this.#closed) return void socket.destroy();
    if (this.#sessions.size >= this.#maxConnections) return this.#refuse(socket);
    const session = new ForwardSession(this.#services!, socket, this.#nextId(), () => this.#sessions.delete(session));
    this.#sessions.add(session);
  };

  /** A connection that asks for a tunnel to nowhere. */
  readonly #refused = (socket: Socket, error: MentuError): void => this.#recordRefusal(socket, { name: null, address: null, port: 0 }, 'http', error);

  /** A connection for which there is no room. */
  readonly #refuse = (socket: Socket, destination: Destination = { name: null, address: null, port: 0 }): void => {
    this.#recordRefusal(socket, destination, 'tcp', new MentuError('too_many_connections', { limit: this.#maxConnections }));
    socket.on('error', () => {});
    socket.resetAndDestroy();
  };

  #recordRefusal(socket: Socket, destination: Destination, kind: FlowKind, error: MentuError): void {
    this.#services!.recorder.completeConnection(this.#connectionOf(socket, destination), { kind, outcome: 'failed', error, bytes: { up: 0, down: 0 } });
  }

  #connectionOf(socket: Socket, destination: Destination): CapturedConnection {
    return new CapturedConnection(this.#nextId(), { address: socketAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 }, destination);
  }

  #nextId(): string {
    return `conn_${(++this.#connections).toString(36)}`;
  }

  /** Ends every session and waits until each flow's record has been taken and every plugin has let go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const listener of this.#listeners) listener.close();
    await this.#services?.recorder.close();
    for (const session of this.#sessions) session.destroy();
    await this.#services?.recorder.close();
    await this.hooks.close();
    await this.#store?.close();
    this.#upstreamTls.close();
    this.#quicKeys?.close();
  }
}
