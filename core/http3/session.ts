/**
 * What both ends of a connection of HTTP/3 have in common (RFC 9114, sections 5 and 6): control and QPACK streams, SETTINGS,
 * GOAWAY, and the end of the connection where a peer breaks the rules.
 */
import type { QuicConnection, QuicEnd, QuicStream } from '../quic/connection.ts';
import { ControlStream } from './control-stream.ts';
import { DecoderStream } from './decoder-stream.ts';
import { H3, Http3ConnectionError } from './error-code.ts';
import { goawayFrame } from './frame.ts';
import { QpackDecoder } from './qpack-decoder.ts';
import { QpackEncoder } from './qpack-encoder.ts';
import { OUR_LIMITS, ourSettings } from './settings.ts';
import { TypedStream, type TypedStreamKind } from './typed-stream.ts';
import { varints } from './varint.ts';

const STREAM_TYPE = { control: 0x00, push: 0x01, encoder: 0x02, decoder: 0x03 } as const;

/** Instructions that wait for a peer to read them. */
const MAX_INSTRUCTIONS = 4096;

export interface Http3SessionEvents {
  /** A request stream of the peer, in whatever order they come. */
  onRequestStream(stream: QuicStream): void;
  onGoaway(id: number): void;
  onStreamsAllowed(): void;
  /** Further exchanges should have a connection of their own. */
  onExhausted(): void;
  /** Once, whoever ended it. */
  onClose(end: QuicEnd): void;
}

export class Http3Session {
  readonly encoder = new QpackEncoder();
  readonly decoder: QpackDecoder;
  readonly #connection: QuicConnection;
  readonly #isServer: boolean;
  readonly #events: Http3SessionEvents;
  #control: QuicStream | null = null;
  #decoderStream: QuicStream | null = null;
  /** Instructions of one turn go out together. */
  #instructions: Buffer[] = [];
  #isStalled = false;
  readonly #seen = new Set<number>();
  #peerMaxFieldSection = Infinity;
  /** Whether the peer takes extended CONNECT; null until its SETTINGS have come. */
  #peerTakesUpgrades: boolean | null = null;
  #onSettings: (() => void)[] = [];
  #closed = false;

  constructor(connection: QuicConnection, role: 'server' | 'client', events: Http3SessionEvents) {
    this.#connection = connection;
    this.#isServer = role === 'server';
    this.#events = events;
    this.decoder = new QpackDecoder(OUR_LIMITS, (instruction) => this.#instruct(instruction));
    connection.attach({
      onStream: (stream) => this.#accept(stream),
      onStreamsAllowed: () => {
        this.#openOwn();
        events.onStreamsAllowed();
      },
      onExhausted: () => events.onExhausted(),
      onClose: (end) => this.#over(end),
    });
    this.#openOwn();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Bytes of a field section that the peer takes, as far as it has said so. */
  get peerMaxFieldSection(): number {
    return this.#peerMaxFieldSection;
  }

  /** Calls back with whether the peer takes extended CONNECT, once its SETTINGS have come or will not any more. */
  whenSettled(settled: (takesUpgrades: boolean) => void): void {
    if (this.#peerTakesUpgrades !== null || this.#closed) return settled(this.#peerTakesUpgrades ?? false);
    this.#onSettings.push(() => settled(this.#peerTakesUpgrades ?? false));
  }

  #settled(): void {
    const waiting = this.#onSettings;
    this.#onSettings = [];
    for (const settled of waiting) settled();
  }

  open(): QuicStream | null {
    return this.#closed ? null : this.#connection.open('bidirectional');
  }

  goaway(id: number): void {
    this.#control?.write(goawayFrame(id));
  }

  close(code: number = H3.noError, reason = ''): void {
    if (this.#closed) return;
    this.#connection.close(code, reason);
    this.#over({ by: 'local', code, isApplication: true, reason });
  }

  /** For what a stream threw: ends the connection where the peer has earned it. */
  fail(error: unknown): void {
    if (!(error instanceof Http3ConnectionError)) throw error;
    this.close(error.code, error.message);
  }

  #over(end: QuicEnd): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#settled();
    this.#events.onClose(end);
  }

  /** Our streams are opened as soon as the peer lets us. */
  #openOwn(): void {
    if (!this.#control) {
      this.#control = this.#openTyped(STREAM_TYPE.control);
      this.#control?.write(Buffer.concat([varints(STREAM_TYPE.control), ourSettings(this.#isServer)]));
    }
    if (this.#control && !this.#decoderStream) {
      this.#decoderStream = this.#openTyped(STREAM_TYPE.decoder);
      this.#decoderStream?.write(varints(STREAM_TYPE.decoder));
      if (this.#instructions.length > 0) this.#flushInstructions();
    }
  }

  #openTyped(type: number): QuicStream | null {
    const stream = this.#connection.open('unidirectional');
    stream?.attach({
      onData: ignore,
      onEnd: ignore,
      onReset: ignore,
      onStopSending: () => this.close(H3.closedCriticalStream, `the stream of type ${type} is not read`),
      onDrain: () => {
        this.#isStalled = false;
        this.#flushInstructions();
      },
    });
    return stream;
  }

  #accept(stream: QuicStream): void {
    if (!stream.isBidirectional) {
      new TypedStream(stream, (type) => this.#kind(type), (error) => this.fail(error));
    } else if (this.#isServer) {
      this.#events.onRequestStream(stream);
    } else {
      this.close(H3.streamCreationError, 'a server opens no bidirectional stream');
    }
  }

  /** Who reads a stream of the type; null where nobody does. */
  #kind(type: number): TypedStreamKind | null {
    if (type === STREAM_TYPE.push) throw new Http3ConnectionError(this.#isServer ? H3.streamCreationError : H3.idError, 'there are no pushes');
    if (type > STREAM_TYPE.decoder) return null;
    if (this.#seen.has(type)) throw new Http3ConnectionError(H3.streamCreationError, `a second stream of type ${type}`);
    this.#seen.add(type);
    if (type === STREAM_TYPE.encoder) return { onData: (chunk) => this.decoder.readEncoderStream(chunk) };
    if (type === STREAM_TYPE.decoder) return new DecoderStream();
    return new ControlStream(
      {
        onSettings: ({ maxFieldSection, takesUpgrades }) => {
          this.#peerMaxFieldSection = maxFieldSection;
          this.#peerTakesUpgrades = takesUpgrades;
          this.#settled();
        },
        onGoaway: (id) => this.#events.onGoaway(id),
      },
      !this.#isServer,
    );
  }

  #instruct(instruction: Buffer): void {
    if (this.#instructions.length >= MAX_INSTRUCTIONS) return this.close(H3.excessiveLoad, 'the decoder stream is not read');
    this.#instructions.push(instruction);
    if (this.#instructions.length === 1) queueMicrotask(() => this.#flushInstructions());
  }

  #flushInstructions(): void {
    if (this.#closed || !this.#decoderStream || this.#isStalled || this.#instructions.length === 0) return;
    const all = this.#instructions.length === 1 ? this.#instructions[0]! : Buffer.concat(this.#instructions);
    this.#instructions = [];
    this.#isStalled = !this.#decoderStream.write(all);
  }
}

function ignore(): void {}
