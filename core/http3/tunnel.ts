/**
 * The bytes of a request stream that has become another protocol's (RFC 9114, section 4.4; RFC 9220), as a connection: what
 * DATA frames carry. The end of the stream is the end of a half; a stream that is broken off, by whichever side or with its
 * connection, closes without having ended.
 */
import { Duplex } from 'node:stream';
import type { QuicStream, QuicStreamEvents } from '../quic/connection.ts';
import { H3, Http3StreamError } from './error-code.ts';
import { FRAME, TUNNEL_ENDING, unexpected } from './frame.ts';
import type { MessageEvents, MessageReader } from './message-reader.ts';
import type { MessageWriter } from './message-writer.ts';

export interface TunnelParts {
  readonly stream: QuicStream;
  readonly reader: MessageReader;
  readonly writer: MessageWriter;
  /** Is given what a frame threw that has no place in a tunnel; ends the connection. */
  readonly onFault: (error: unknown) => void;
  /** Once, when the stream is no longer used. */
  readonly onOver: () => void;
}

/** Reads from the beginning, up to what it may hold; hears of the stream itself, and may write, from `attach` on. */
export class Http3Tunnel extends Duplex implements QuicStreamEvents, MessageEvents {
  readonly #parts: TunnelParts;
  /** A chunk was written beyond what the stream takes. */
  #waiting: (() => void) | null = null;
  /** All that the peer will send has come. */
  #isWhole = false;
  #isGone = false;

  constructor(parts: TunnelParts) {
    super({ allowHalfOpen: true });
    this.#parts = parts;
    parts.reader.becomeTunnel(this);
  }

  attach(): void {
    this.#parts.stream.attach(this);
  }

  /** There is no stream any more. */
  connectionGone(): void {
    this.#isGone = true;
    this.destroy();
  }

  // The stream.

  onData(chunk: Buffer): void {
    this.#parts.reader.push(chunk);
  }

  onEnd(): void {
    this.#parts.reader.end();
  }

  onReset(): void {
    if (!this.#isWhole) this.destroy();
  }

  onStopSending(code: number): void {
    this.#parts.writer.reset(code);
    this.#drained();
    // Who has said all may leave once it has been read; who only wants to hear no more may have something to say.
    if (this.#isWhole && !this.readableEnded) this.once('end', () => this.destroy());
    else if (this.#isWhole || code !== H3.noError) this.destroy();
  }

  onDrain(): void {
    this.#parts.writer.drained();
    this.#drained();
  }

  #drained(): void {
    const written = this.#waiting;
    this.#waiting = null;
    written?.();
  }

  // What it carries.

  onBody(piece: Buffer): void {
    if (!this.push(piece)) this.#parts.reader.pause();
  }

  onMessageEnd(): void {
    this.#isWhole = true;
    this.push(null);
  }

  onFault(error: unknown): void {
    // What would break a message off is in a section, which has no place here.
    this.#parts.onFault(error instanceof Http3StreamError ? unexpected(FRAME.headers) : error);
  }

  /** There is one head, and it came before. */
  isInterim(): boolean {
    return false;
  }

  onHead(): null {
    return null;
  }

  override _read(): void {
    this.#parts.reader.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#parts.writer.data(chunk)) done();
    else this.#waiting = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#parts.writer.end(TUNNEL_ENDING);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { stream, reader, writer, onOver } = this.#parts;
    const code = this.writableFinished ? H3.noError : H3.requestCancelled;
    const isRead = reader.isOver;
    reader.abandon();
    if (!this.#isGone) {
      if (!isRead) stream.stopReading(code);
      writer.reset(code);
    }
    onOver();
    done(error);
  }
}
