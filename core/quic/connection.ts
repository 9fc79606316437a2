/**
 * A QUIC connection (RFC 9000) as what is built on it sees it: streams with flow control, and their ends. The package
 * that speaks QUIC stays behind `transport.ts`. All methods are synchronous; nobody is called back after `close`.
 */

/** Why a connection is over. */
export interface QuicEnd {
  /** `peer`: it closed; `local`: we did; `timeout`: nothing was heard; `failed`: the handshake or the transport failed. */
  readonly by: 'peer' | 'local' | 'timeout' | 'failed';
  /** Error code; of the application where `isApplication`, else of the transport (RFC 9000, section 20). */
  readonly code: number;
  readonly isApplication: boolean;
  readonly reason: string;
}

export interface QuicStreamEvents {
  onData(chunk: Buffer): void;
  /** The peer has ended its side; all of its bytes have been given. */
  onEnd(): void;
  /** The peer broke its side off (RESET_STREAM), with an application error code. */
  onReset(code: number): void;
  /** The peer does not read any further (STOP_SENDING), with an application error code. */
  onStopSending(code: number): void;
  /** After `write` returned false: there is room again. */
  onDrain(): void;
}

export interface QuicStream {
  /** RFC 9000, section 2.1: the lowest two bits tell initiator and direction. */
  readonly id: number;
  readonly isBidirectional: boolean;
  /** Who is told of everything, from the first turn. Nothing is read before. */
  attach(events: QuicStreamEvents): void;
  /** False asks for a pause until `onDrain`; the chunk has been taken all the same. */
  write(chunk: Buffer): boolean;
  /** The last bytes, which must not be none: an end without bytes may be lost on its way. */
  end(last: Buffer): void;
  /** Breaks our side off (RESET_STREAM). */
  reset(code: number): void;
  /** Asks the peer to send no more (STOP_SENDING); what still comes is dropped. */
  stopReading(code: number): void;
  pause(): void;
  resume(): void;
}

export interface QuicConnectionEvents {
  /** A stream that the peer has opened, in whatever order they come. */
  onStream(stream: QuicStream): void;
  /** The peer allows more streams than before: an `open` that gave null may now give one. */
  onStreamsAllowed(): void;
  /** Once: what streams lost takes from what others may send, so no further ones should be opened. */
  onExhausted?(): void;
  onClose(end: QuicEnd): void;
}

export interface QuicConnection {
  /** Such as `h3`. */
  readonly alpn: string;
  attach(events: QuicConnectionEvents): void;
  /** Null while the peer allows no further stream of the kind. */
  open(kind: 'bidirectional' | 'unidirectional'): QuicStream | null;
  /** Closes with an application error code; what was written before is sent as far as the peer takes it. */
  close(code: number, reason: string): void;
}
