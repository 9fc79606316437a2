/** One direction of a recorded WebSocket: its messages on their way from the frames to the record and to observers. */
import type { MessageWatch } from '../flows/message-watch.ts';
import type { WebSocketMessage } from '../record-parts.ts';
import type { CaptureSettings } from '../recorder/body-capture.ts';
import { MessageCapture } from '../recorder/data-capture.ts';
import type { MessageBytes } from '../recorder/message-bytes.ts';
import type { DeflateAgreement } from './extensions.ts';
import { Inflation, type InflationSink } from './inflation.ts';
import { MessageReader, type ControlOpcode, type MessageHandler } from './messages.ts';

type Side = 'client' | 'server';

export interface DirectionOwner {
  readonly settings: CaptureSettings | null;
  readonly watch: MessageWatch | null;
  /** The direction, which was held, is held no longer. */
  released(from: Side): void;
  /** `whole` calls back with the message, in this turn or a later one. */
  message(from: Side, whole: (done: (message: WebSocketMessage, bytes?: MessageBytes | null) => void, at: number) => void): void;
  control(from: Side, opcode: ControlOpcode, payload: Buffer): void;
  fault(from: Side, reason: string): void;
}

/** A message under way. */
class OpenMessage implements InflationSink {
  readonly opcode: 'text' | 'binary';
  readonly compressed: boolean;
  readonly capture: MessageCapture | null;
  readonly #from: Side;
  readonly #watch: MessageWatch | null;

  constructor(opcode: 'text' | 'binary', compressed: boolean, from: Side, { settings, watch }: DirectionOwner, onDrain: () => void) {
    this.opcode = opcode;
    this.compressed = compressed;
    this.capture = settings && new MessageCapture(settings);
    if (this.capture) this.capture.onDrain = onDrain;
    this.#from = from;
    this.#watch = watch;
  }

  write(chunk: Buffer): boolean {
    this.#watch?.write(this.#from, chunk);
    return this.capture?.write(chunk) ?? true;
  }

  ended(whole: boolean): void {
    if (whole) this.#watch?.end(this.#from);
    else this.#watch?.drop(this.#from);
  }
}

export class Direction implements MessageHandler {
  readonly looksAtData: boolean;
  readonly #from: Side;
  readonly #owner: DirectionOwner;
  readonly #reader: MessageReader;
  readonly #inflation: Inflation | null;
  #message: OpenMessage | null = null;
  #captureIsFull = false;
  #inflationIsFull = false;

  /** @param deflate null where messages are not compressed. */
  constructor(from: Side, owner: DirectionOwner, deflate: DeflateAgreement | null) {
    this.#from = from;
    this.#owner = owner;
    this.looksAtData = owner.watch !== null || owner.settings?.keep === 'whole';
    this.#reader = new MessageReader(this, { masked: from === 'client', deflate: deflate !== null });
    this.#inflation = deflate && new Inflation(deflate, (reason) => owner.fault(from, reason), () => this.#inflationDrained());
  }

  /** True where the source is to pause. */
  get isHeld(): boolean {
    return this.#captureIsFull || this.#inflationIsFull;
  }

  read(chunk: Buffer): void {
    this.#reader.read(chunk);
  }

  /** Nothing more passes: a message that is not whole is given as far as it came. */
  finish(): void {
    if (this.#message) this.#end(false);
    this.#inflation?.close();
  }

  onMessage(opcode: 'text' | 'binary', compressed: boolean): void {
    this.#message = new OpenMessage(opcode, compressed, this.#from, this.#owner, () => this.#captureDrained());
    this.#inflation?.begin(this.#message, compressed);
  }

  onData(chunk: Buffer): void {
    if (this.#inflation) {
      if (!this.#inflation.write(chunk)) this.#inflationIsFull = true;
    } else if (!this.#message!.write(chunk)) {
      this.#captureIsFull = true;
    }
  }

  onMessageEnd(): void {
    this.#end(true);
  }

  onControl(opcode: ControlOpcode, payload: Buffer): void {
    this.#owner.control(this.#from, opcode, payload);
  }

  onFault(reason: string): void {
    this.#owner.fault(this.#from, reason);
    if (this.#message) this.#end(false);
  }

  #end(whole: boolean): void {
    const message = this.#message!;
    const { opcode, compressed, capture } = message;
    const from = this.#from;
    this.#message = null;
    let listed: ((whole: boolean) => void) | null = null;
    // Its place in the list is that of its last byte, though it may have to be inflated first.
    this.#owner.message(from, (done, at) => {
      listed = (complete) =>
        capture!.finish((data, bytes) => done({ at, from, opcode, compressed, size: capture!.size, ...data, data_truncated: data.data_truncated || !complete }, bytes));
    });
    const ended = (complete: boolean): void => {
      message.ended(complete);
      listed?.(complete);
    };
    if (!this.#inflation) ended(whole);
    else if (!this.#inflation.end(whole, ended)) this.#inflationIsFull = true;
  }

  #captureDrained(): void {
    this.#captureIsFull = false;
    this.#inflation?.resume();
    if (!this.isHeld) this.#owner.released(this.#from);
  }

  #inflationDrained(): void {
    this.#inflationIsFull = false;
    if (!this.isHeld) this.#owner.released(this.#from);
  }
}
