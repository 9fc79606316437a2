/** One direction of a gRPC call, read as it passes. */
import type { HttpFlow } from '../flows/http-flow.ts';
import { MessageWatch } from '../flows/message-watch.ts';
import type { BodyWatcher } from '../flows/tee.ts';
import type { Headers } from '../headers.ts';
import type { GrpcMessage } from '../record-parts.ts';
import { decodeNow, type ContentCoding } from '../recorder/content-coding.ts';
import { MessageCapture } from '../recorder/data-capture.ts';
import type { MessageLog } from '../recorder/message-log.ts';
import { Base64Segments } from './base64-segments.ts';
import { Brake } from './brake.ts';
import type { Reading } from './format.ts';
import { GrpcFrames } from './grpc-frames.ts';
import { grpcStatus, type GrpcFormat, type GrpcStatus } from './grpc-status.ts';
import { MessageInflation, type MessageTaker } from './message-inflation.ts';

/** Bytes of a frame of trailers. */
const LONGEST_TRAILERS = 64 * 1024;

export class GrpcMessages implements BodyWatcher {
  /** Of a frame of trailers (gRPC-Web). */
  status: GrpcStatus | null = null;
  readonly #from: 'client' | 'server';
  readonly #log: MessageLog<GrpcMessage>;
  readonly #flow: HttpFlow;
  readonly #reading: Reading;
  readonly #coding: ContentCoding | null;
  readonly #brake = new Brake();
  readonly #frames: GrpcFrames;
  readonly #text: Base64Segments | null;
  #message: MessageTaker | null = null;
  /** Those who observe the message under way. */
  #watch: MessageWatch | null = null;
  /** Of them, where the message comes as it is. */
  #plainWatch: MessageWatch | null = null;
  /** Of a frame of trailers. */
  #trailers: Buffer[] | null = null;
  #trailersSize = 0;
  #compressed = false;
  #isClosed = false;

  /** @param headers those of this direction. */
  constructor(from: 'client' | 'server', format: GrpcFormat, headers: Headers, log: MessageLog<GrpcMessage>, flow: HttpFlow, reading: Reading) {
    this.#from = from;
    this.#log = log;
    this.#flow = flow;
    this.#reading = reading;
    const coding = headers.get('grpc-encoding')?.trim().toLowerCase();
    this.#coding = coding === 'gzip' || coding === 'deflate' || coding === 'zstd' ? coding : null;
    this.#frames = new GrpcFrames(format !== 'grpc', {
      begin: (compressed, trailers) => this.#begin(compressed, trailers),
      data: (bytes) => this.#data(bytes),
      end: () => this.#end(),
    });
    this.#text = format === 'grpc-web-text' ? new Base64Segments((bytes) => this.#frames.write(bytes)) : null;
  }

  set onDrain(drained: (() => void) | null) {
    this.#brake.onRelease = drained;
  }

  get fault(): string | null {
    return this.#text?.fault ?? this.#frames.fault;
  }

  /** The log has room again. */
  release(): void {
    this.#brake.release(this.#log);
  }

  write(chunk: Buffer): boolean {
    if (this.#isClosed) return true;
    (this.#text ?? this.#frames).write(chunk);
    if (this.fault !== null) this.close();
    return !this.#brake.isHeld;
  }

  end(): void {
    this.#text?.end();
    this.#frames.end();
  }

  /** Nothing more comes, or can be read: a message that is not whole is let go. */
  close(): void {
    this.#isClosed = true;
    const message = this.#message;
    if (!message) return;
    this.#message = null;
    message.drop();
    this.#brake.release(message);
  }

  #begin(compressed: boolean, trailers: boolean): void {
    this.#compressed = compressed;
    if (trailers) {
      this.#trailers = [];
      return;
    }
    const { settings, host } = this.#reading;
    // One for each message: such as are uncompressed in other threads may overlap.
    const watch = MessageWatch.of(this.#flow.messageTaps, host, 'grpc');
    const inflated = compressed && this.#coding !== null;
    const message = inflated ? new MessageInflation(this.#coding!, settings, (bytes) => watch?.write(this.#from, bytes)) : new MessageCapture(settings);
    this.#plainWatch = inflated ? null : watch;
    this.#watch = watch;
    message.onDrain = () => this.#brake.release(message);
    this.#message = message;
  }

  #data(bytes: Buffer): void {
    if (this.#trailers) {
      this.#trailersSize += bytes.length;
      if (this.#trailersSize <= LONGEST_TRAILERS) this.#trailers.push(bytes);
      return;
    }
    this.#plainWatch?.write(this.#from, bytes);
    if (!this.#message!.write(bytes)) this.#brake.hold(this.#message!);
  }

  /** The message is complete. One that is broken off is none. */
  #end(): void {
    if (this.#trailers) return this.#endTrailers(Buffer.concat(this.#trailers));
    const from = this.#from;
    const message = this.#message!;
    const compressed = this.#compressed;
    const watch = this.#watch;
    const at = Math.round((performance.now() - this.#flow.started) * 1000) / 1000;
    this.#message = null;
    const added = this.#log.add(from, (done) =>
      message.finish((data, bytes) => {
        this.#brake.release(message);
        watch?.end(from);
        done({ at, from, size: message.size, ...data, compressed }, bytes);
      }),
    );
    if (!added) this.#brake.hold(this.#log);
  }

  #endTrailers(bytes: Buffer): void {
    this.#trailers = null;
    const plain = this.#compressed && this.#coding ? decodeNow(bytes, [this.#coding], LONGEST_TRAILERS) : bytes;
    const fields = new Map<string, string>();
    for (const line of (plain ?? bytes).toString('latin1').split('\r\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.status = grpcStatus((name) => fields.get(name));
  }
}
