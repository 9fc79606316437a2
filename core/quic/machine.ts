/** One QUIC connection as state without I/O: what `transport.ts` wraps, with results in the place of thrown texts. */
import type { Endpoint } from '../flow.ts';
import type { SharedBuffers } from './buffers.ts';
import type { QuicKeyRelay } from './key-relay.ts';

/** The package's connection, as far as it is used. */
export interface NativeConnection {
  recv(datagram: Uint8Array, path: { readonly from: Place; readonly to: Place }): number;
  send(into: Uint8Array): [number, unknown] | null;
  streamRecv(id: number, into: Uint8Array): [number, boolean] | null;
  streamSend(id: number, data: Uint8Array, end: boolean): number | null;
  streamShutdown(id: number, direction: 0 | 1, code: number): void | null;
  streamCapacity(id: number): number;
  streamFinished(id: number): boolean;
  peerStreamsLeftBidi(): number;
  peerStreamsLeftUni(): number;
  readable(): Iterable<number>;
  timeout(): number | null;
  onTimeout(): void;
  close(isApplication: boolean, code: number, reason: Uint8Array): void | null;
  applicationProto(): Uint8Array;
  peerCertChain(): Uint8Array[] | null;
  isEstablished(): boolean;
  isDraining(): boolean;
  isClosed(): boolean;
  isTimedOut(): boolean;
  peerError(): NativeError | null;
  localError(): NativeError | null;
  sendAckEliciting(): void;
  setKeylog(path: string): void;
}

interface NativeError {
  readonly isApp: boolean;
  readonly errorCode: number;
  readonly reason: Uint8Array;
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** Without the zone of a link-local address: the package takes none, and compares with nothing but itself. */
export function place({ address, port }: Endpoint): Place {
  return { host: address.split('%', 1)[0]!, port };
}

/** Bytes that a stream may have on the way to us unread. */
export const STREAM_WINDOW = 1024 * 1024;

/** What `read` and `write` say where they move no bytes. */
export const NOTHING = -1;
/** The peer has broken the stream off in this direction; `code` says with what. */
export const BROKEN = -2;
/** The stream is no more. */
export const GONE = -3;

export interface TransportError {
  readonly isApplication: boolean;
  readonly code: number;
  readonly reason: string;
}

/** One connection's state: datagrams in, datagrams out, and a timer that its owner keeps. */
export class QuicMachine {
  /** What is read and sent goes through them. */
  readonly buffers: SharedBuffers;
  readonly #connection: NativeConnection;
  /** Until the handshake is complete. */
  #keys: QuicKeyRelay | null;
  readonly #path: { readonly from: Place; readonly to: Place };
  /** After `read`: the stream has ended. */
  ended = false;
  /** After BROKEN. */
  code = 0;

  /** @param keys takes the secrets of the handshake. */
  constructor(connection: NativeConnection, buffers: SharedBuffers, local: Endpoint, peer: Endpoint, keys: QuicKeyRelay | null) {
    this.#connection = connection;
    this.buffers = buffers;
    this.#keys = keys;
    if (keys) connection.setKeylog(keys.path);
    this.#path = { from: place(peer), to: place(local) };
  }

  /** Deciphers the datagram in place. What it cannot read closes the connection where the RFC says so. */
  receive(datagram: Buffer): void {
    try {
      this.#connection.recv(datagram, this.#path);
    } catch {
      // It shows as localError.
    }
    if (this.#keys) this.#relayKeys(this.#keys);
  }

  /** Bytes written to `into`; 0 where there is nothing to send. */
  send(into: Buffer): number {
    try {
      return this.#connection.send(into)?.[0] ?? 0;
    } catch {
      return 0;
    }
  }

  /** The streams with something to read. */
  readable(): Iterable<number> {
    return this.#connection.readable();
  }

  /** Bytes read; NOTHING, BROKEN or GONE. */
  read(id: number, into: Buffer): number {
    this.ended = false;
    try {
      const read = this.#connection.streamRecv(id, into);
      if (read === null) return NOTHING;
      this.ended = read[1];
      return read[0];
    } catch (error) {
      return this.#fault(error, /^StreamReset\((\d+)\)/);
    }
  }

  /** Bytes taken, with `end` only where all were; NOTHING, BROKEN or GONE. */
  write(id: number, data: Buffer, end: boolean): number {
    try {
      return this.#connection.streamSend(id, data, end) ?? NOTHING;
    } catch (error) {
      return this.#fault(error, /^StreamStopped\((\d+)\)/);
    }
  }

  /** Bytes that the peer takes now, or BROKEN or GONE. */
  writeState(id: number): number {
    try {
      return this.#connection.streamCapacity(id);
    } catch (error) {
      return this.#fault(error, /^StreamStopped\((\d+)\)/);
    }
  }

  /** Nothing more will be read: all was, or the stream is no more. */
  isFinished(id: number): boolean {
    return this.#connection.streamFinished(id);
  }

  /** RESET_STREAM for `write`, STOP_SENDING for `read`. */
  shutdown(id: number, side: 'read' | 'write', code: number): void {
    try {
      this.#connection.streamShutdown(id, side === 'read' ? 0 : 1, code);
    } catch {
      // It is over already.
    }
  }

  /** How many further streams the peer lets us open. */
  streamsLeft(kind: 'bidirectional' | 'unidirectional'): number {
    return kind === 'bidirectional' ? this.#connection.peerStreamsLeftBidi() : this.#connection.peerStreamsLeftUni();
  }

  close(isApplication: boolean, code: number, reason: string): void {
    try {
      this.#connection.close(isApplication, code, Buffer.from(reason));
    } catch {
      // It is closed already.
    }
  }

  /** Milliseconds until `onTimeout` is due; null for never. */
  timeout(): number | null {
    return this.#connection.timeout();
  }

  onTimeout(): void {
    this.#connection.onTimeout();
  }

  /** A packet that the peer answers. */
  ping(): void {
    try {
      this.#connection.sendAckEliciting();
    } catch {
      // It is closed already.
    }
  }

  #relayKeys(keys: QuicKeyRelay): void {
    keys.drain();
    if (this.#connection.isEstablished()) this.#keys = null;
  }

  get isEstablished(): boolean {
    return this.#connection.isEstablished();
  }

  /** The peer has closed it, or nobody answers; `isClosed` follows. */
  get isDraining(): boolean {
    return this.#connection.isDraining();
  }

  get isClosed(): boolean {
    return this.#connection.isClosed();
  }

  get isTimedOut(): boolean {
    return this.#connection.isTimedOut();
  }

  get peerError(): TransportError | null {
    return transportError(this.#connection.peerError());
  }

  get localError(): TransportError | null {
    return transportError(this.#connection.localError());
  }

  get alpn(): string {
    return Buffer.from(this.#connection.applicationProto()).toString('latin1');
  }

  /** DER, the leaf first. */
  get peerCertificates(): Uint8Array[] {
    return this.#connection.peerCertChain() ?? [];
  }

  #fault(error: unknown, broken: RegExp): number {
    const match = broken.exec(error instanceof Error ? error.message : '');
    if (!match) return GONE;
    this.code = Number(match[1]);
    return BROKEN;
  }
}

function transportError(error: NativeError | null): TransportError | null {
  return error && { isApplication: error.isApp, code: error.errorCode, reason: Buffer.from(error.reason).toString('utf8') };
}
