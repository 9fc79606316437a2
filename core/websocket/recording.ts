/** The record of a WebSocket (RFC 6455): reads what passes both ways, and lists its messages. */
import type { FlowResponse } from '../flow.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import { MessageWatch } from '../flows/message-watch.ts';
import type { RecordPart } from '../flows/record-part.ts';
import type { RecordParts, WebSocketMessage, WebSocketRecord } from '../record-parts.ts';
import type { CaptureSettings } from '../recorder/body-capture.ts';
import { NO_DATA, dataRecord } from '../recorder/data-capture.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { MessageBytes } from '../recorder/message-bytes.ts';
import { MessageLog } from '../recorder/message-log.ts';
import type { SpliceTap } from '../relay/splice.ts';
import { Direction, type DirectionOwner } from './direction.ts';
import { deflateOf } from './extensions.ts';
import type { ControlOpcode } from './messages.ts';

type Side = 'client' | 'server';

export class WebSocketRecording implements SpliceTap, RecordPart, DirectionOwner {
  onDrain: ((from: Side) => void) | null = null;
  readonly settings: CaptureSettings | null;
  readonly watch: MessageWatch | null;
  readonly #flow: HttpFlow;
  readonly #log: MessageLog<WebSocketMessage> | null;
  readonly #subprotocol: string | null;
  readonly #extensions: string | null;
  readonly #sides: Readonly<Record<Side, Direction>>;
  #close: WebSocketRecord['close'] = null;
  readonly #closing = new Set<Side>();
  #fault: string | null = null;
  #logIsFull = false;
  #finished = false;
  /** Milliseconds from the beginning of the flow to the chunk that passes. */
  #now = 0;

  private constructor(flow: HttpFlow, answer: FlowResponse, settings: CaptureSettings | null, watch: MessageWatch | null) {
    this.#flow = flow;
    this.settings = settings;
    this.watch = watch;
    this.#log = settings && new MessageLog(settings);
    this.#subprotocol = answer.headers.get('sec-websocket-protocol') ?? null;
    this.#extensions = answer.headers.getAll('sec-websocket-extensions').join(', ') || null;
    const deflate = deflateOf(this.#extensions);
    this.#sides = { client: new Direction('client', this, deflate?.client ?? null), server: new Direction('server', this, deflate?.server ?? null) };
    if (this.#log) this.#log.onDrain = () => this.#logDrained();
  }

  /** Begins with the server's consent. Null where nobody records or observes: then there is nothing to do. */
  static of(flow: HttpFlow, answer: FlowResponse, recorder: FlowRecorder): WebSocketRecording | null {
    const settings = recorder.captureSettings;
    const watch = MessageWatch.of(flow.messageTaps, recorder, 'websocket');
    return settings || watch ? new WebSocketRecording(flow, answer, settings, watch) : null;
  }

  pass(from: Side, chunk: Buffer): boolean {
    if (this.#finished) return true;
    this.#now = Math.round((performance.now() - this.#flow.started) * 1000) / 1000;
    const side = this.#sides[from];
    side.read(chunk);
    return !this.#logIsFull && !side.isHeld;
  }

  released(from: Side): void {
    if (!this.#finished && !this.#logIsFull) this.onDrain?.(from);
  }

  /** A data message is complete, or broken off; `whole` gives what there is of it. */
  message(from: Side, whole: (done: (message: WebSocketMessage, bytes?: MessageBytes | null) => void, at: number) => void): void {
    const at = this.#now;
    if (this.#log && !this.#log.add(from, (done) => whole(done, at))) this.#logIsFull = true;
  }

  control(from: Side, opcode: ControlOpcode, payload: Buffer): void {
    const keeps = this.settings?.keep === 'whole';
    if (opcode === 'close') {
      const code = payload.length < 2 ? null : payload.readUInt16BE(0);
      this.#closing.add(from);
      this.#close ??= { code, reason: keeps ? payload.toString('utf8', 2) : '', from };
    }
    const data = payload.length === 0 ? NO_DATA : keeps ? dataRecord(payload, false) : { ...NO_DATA, data_truncated: true };
    this.message(from, (done, at) => done({ at, from, opcode, compressed: false, size: payload.length, ...data }));
  }

  fault(from: Side, reason: string): void {
    this.#fault ??= `${from}: ${reason}`;
  }

  /** Both sides have said that they are done; how they leave after it is of no account (RFC 6455, section 7.1.4). */
  get isClosed(): boolean {
    return this.#closing.size === 2;
  }

  /** Nothing more is read. Must be called, recorded or not. */
  close(): void {
    if (this.#finished) return;
    this.#finished = true;
    for (const side of [this.#sides.client, this.#sides.server]) side.finish();
    // Nobody is held back by what is over.
    this.onDrain?.('client');
    this.onDrain?.('server');
  }

  finish(done: (parts: RecordParts) => void): void {
    this.close();
    this.#log!.finish((list) => {
      const websocket: WebSocketRecord = { ...list, subprotocol: this.#subprotocol, extensions: this.#extensions, close: this.#close, fault: this.#fault };
      done({ websocket });
    });
  }

  #logDrained(): void {
    this.#logIsFull = false;
    for (const from of ['client', 'server'] as const) if (!this.#sides[from].isHeld) this.released(from);
  }
}
