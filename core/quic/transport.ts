/**
 * The one place that speaks to the package with QUIC's transport (quiche, by a native binding): it turns datagrams into
 * stream bytes and back and does no I/O of its own. The package is optional: not every platform has a build of it.
 */
import type { Endpoint } from '../flow.ts';
import { SharedBuffers } from './buffers.ts';
import type { QuicKeyRelay } from './key-relay.ts';
import { QuicMachine, STREAM_WINDOW, place, type NativeConnection } from './machine.ts';

/** The package's settings, as far as they are used. */
interface Config {
  setApplicationProtos(names: string[]): void;
  setMaxIdleTimeout(milliseconds: number): void;
  setMaxRecvUdpPayloadSize(bytes: number): void;
  setMaxSendUdpPayloadSize(bytes: number): void;
  setInitialMaxData(bytes: number): void;
  setMaxConnectionWindow(bytes: number): void;
  setInitialMaxStreamDataBidiLocal(bytes: number): void;
  setInitialMaxStreamDataBidiRemote(bytes: number): void;
  setInitialMaxStreamDataUni(bytes: number): void;
  setMaxStreamWindow(bytes: number): void;
  setInitialMaxStreamsBidi(count: number): void;
  setInitialMaxStreamsUni(count: number): void;
  setDisableActiveMigration(disabled: boolean): void;
  enablePacing(enabled: boolean): void;
  logKeys(): void;
}

type NativePlace = ReturnType<typeof place>;

interface Binding {
  readonly Config: {
    withBoringSslCtx(verifyPeer: boolean, allowFailure: boolean, roots: Uint8Array | null, keys: Uint8Array[] | null, chains: Uint8Array[] | null, signatures: string | null): Config;
  };
  readonly Connection: {
    accept(scid: Uint8Array, originalDcid: Uint8Array | null, local: NativePlace, peer: NativePlace, config: Config): NativeConnection;
    connect(serverName: string | null, scid: Uint8Array, local: NativePlace, peer: NativePlace, config: Config): NativeConnection;
  };
  negotiateVersion(scid: Uint8Array, dcid: Uint8Array, data: Uint8Array): number;
  retry(scid: Uint8Array, dcid: Uint8Array, newScid: Uint8Array, token: Uint8Array, version: number, out: Uint8Array): number;
}

/** Bytes that a whole connection may have on the way to us unread. */
const CONNECTION_WINDOW = 8 * 1024 * 1024;
/** Milliseconds without a packet after which a connection is over. */
const IDLE_TIMEOUT = 60_000;
const MAX_UNIDIRECTIONAL = 16;
/** The one version that the package speaks. */
export const TRANSPORT_VERSION = 1;

export interface TransportOptions {
  readonly alpn: readonly string[];
  /** Bytes of a datagram that we send, where the peer takes as many. */
  readonly maxDatagram: number;
  /** Streams of requests that the peer may have open. */
  readonly maxStreams: number;
  /** PEM texts; for a client null where it shows no certificate. */
  readonly identity: { readonly key: string; readonly certificate: string } | null;
  /** PEM texts that the peer's certificate is verified with; null asks for none. */
  readonly roots: readonly string[] | null;
}

/** Settings of the transport, to be used for any number of connections. */
export class TransportConfig {
  readonly #config: Config;

  constructor(config: Config) {
    this.#config = config;
  }

  static valueOf(config: TransportConfig): Config {
    return config.#config;
  }
}

export class QuicTransport {
  readonly #binding: Binding;
  readonly #keys: QuicKeyRelay | null;
  readonly #buffers = new SharedBuffers();

  private constructor(binding: Binding, keys: QuicKeyRelay | null) {
    this.#binding = binding;
    this.#keys = keys;
  }

  /** The transport, or why there is none. @param keys takes the secrets of all its connections */
  static async load(keys: QuicKeyRelay | null): Promise<{ readonly transport: QuicTransport; readonly reason: null } | { readonly transport: null; readonly reason: string }> {
    try {
      const { default: binding } = (await import('@matrixai/quic/native/quiche.js')) as unknown as { default: Binding };
      return { transport: new QuicTransport(binding, keys), reason: null };
    } catch (error) {
      const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
      return { transport: null, reason };
    }
  }

  /** Throws what the package says of keys and certificates that it cannot use. */
  configure({ alpn, maxDatagram, maxStreams, identity, roots }: TransportOptions): TransportConfig {
    const pem = (text: string): Buffer[] => [Buffer.from(text)];
    const config = this.#binding.Config.withBoringSslCtx(
      roots !== null,
      false,
      roots === null ? null : Buffer.from(roots.join('\n')),
      identity && pem(identity.key),
      identity && pem(identity.certificate),
      null,
    );
    config.setApplicationProtos([...alpn]);
    config.setMaxIdleTimeout(IDLE_TIMEOUT);
    config.setMaxRecvUdpPayloadSize(65_527);
    config.setMaxSendUdpPayloadSize(maxDatagram);
    config.setInitialMaxData(CONNECTION_WINDOW);
    config.setMaxConnectionWindow(CONNECTION_WINDOW);
    config.setInitialMaxStreamDataBidiLocal(STREAM_WINDOW);
    config.setInitialMaxStreamDataBidiRemote(STREAM_WINDOW);
    config.setInitialMaxStreamDataUni(STREAM_WINDOW);
    config.setMaxStreamWindow(STREAM_WINDOW);
    config.setInitialMaxStreamsBidi(maxStreams);
    config.setInitialMaxStreamsUni(MAX_UNIDIRECTIONAL);
    config.setDisableActiveMigration(true);
    // Its times of departure cannot be read from here.
    config.enablePacing(false);
    if (this.#keys) config.logKeys();
    return new TransportConfig(config);
  }

  /** @param originalDcid where the client was asked to prove its address: the id that it chose first. */
  accept(config: TransportConfig, scid: Buffer, originalDcid: Buffer | null, local: Endpoint, peer: Endpoint): QuicMachine {
    return new QuicMachine(this.#binding.Connection.accept(scid, originalDcid, place(local), place(peer), TransportConfig.valueOf(config)), this.#buffers, local, peer, this.#keys);
  }

  /** @param serverName null sends none, and the certificate's names are then not looked at. */
  connect(config: TransportConfig, serverName: string | null, scid: Buffer, local: Endpoint, peer: Endpoint): QuicMachine {
    return new QuicMachine(this.#binding.Connection.connect(serverName, scid, place(local), place(peer), TransportConfig.valueOf(config)), this.#buffers, local, peer, this.#keys);
  }

  /** A Version Negotiation packet (RFC 9000, section 17.2.1). @param scid and dcid as the client sent them. */
  negotiateVersion(scid: Buffer, dcid: Buffer): Buffer {
    const out = Buffer.alloc(64 + scid.length + dcid.length);
    return out.subarray(0, this.#binding.negotiateVersion(scid, dcid, out));
  }

  /** A Retry packet (RFC 9000, section 17.2.5). @param scid and dcid as the client sent them. */
  retry(scid: Buffer, dcid: Buffer, newScid: Buffer, token: Buffer): Buffer {
    const out = Buffer.alloc(128 + scid.length + newScid.length + token.length);
    return out.subarray(0, this.#binding.retry(scid, dcid, newScid, token, TRANSPORT_VERSION, out));
  }
}
