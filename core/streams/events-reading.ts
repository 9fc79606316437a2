/** Reads a response as the events, or lines, that it streams: the `events` part of the record. */
import type { HttpFlow } from '../flows/http-flow.ts';
import { MessageWatch } from '../flows/message-watch.ts';
import type { RecordPart } from '../flows/record-part.ts';
import type { BodyWatcher } from '../flows/tee.ts';
import type { Headers } from '../headers.ts';
import type { EventMessage, EventStreamRecord, RecordParts } from '../record-parts.ts';
import { contentCodings } from '../recorder/content-coding.ts';
import { MessageCapture } from '../recorder/data-capture.ts';
import { MessageLog } from '../recorder/message-log.ts';
import { Brake } from './brake.ts';
import { decoded } from './decoding.ts';
import type { Reading } from './format.ts';

/** What reads the decoded bytes, and tells of data and of events that are complete. */
export interface EventSource {
  write(chunk: Buffer): void;
  /** The body is whole. */
  end(): void;
}

export class EventsReading implements RecordPart, BodyWatcher {
  readonly #format: EventStreamRecord['format'];
  readonly #reading: Reading;
  readonly #flow: HttpFlow;
  readonly #source: EventSource;
  readonly #log: MessageLog<EventMessage>;
  readonly #brake = new Brake();
  #capture: MessageCapture | null = null;
  /** Undefined until the first event: then all taps have been heard. */
  #watch: MessageWatch | null | undefined = undefined;
  #fault: string | null = null;
  #isRead = false;
  #finish: (() => void) | null = null;
  /** Takes the bytes as they come. */
  readonly #entry: BodyWatcher;

  /** Begins to read the response of a flow. @param source what tells `data` and `event` of this reading. */
  constructor(format: EventStreamRecord['format'], flow: HttpFlow, reading: Reading, source: (reading: EventsReading) => EventSource) {
    this.#format = format;
    this.#reading = reading;
    this.#flow = flow;
    this.#log = new MessageLog(reading.settings);
    this.#log.onDrain = () => this.#brake.release(this.#log);
    this.#source = source(this);
    const { headers } = flow.response!;
    const codings = contentCodings(headers);
    this.#entry = decoded(codings, this, (fault) => this.#failed(fault));
    flow.addPart(this);
    if (codings.length === codingCount(headers)) flow.down.watch(this.#entry);
    else this.#failed('its content coding is unknown');
  }

  set onDrain(drained: (() => void) | null) {
    this.#brake.onRelease = drained;
  }

  /** Decoded bytes. */
  write(chunk: Buffer): boolean {
    if (!this.#isRead) this.#source.write(chunk);
    return !this.#brake.isHeld;
  }

  /** Where the body was broken off, what is incomplete is no event. */
  end(): void {
    if (this.#flow.down.isWhole) this.#source.end();
    this.#read();
  }

  /** A piece of the data of the event under way. */
  data(bytes: Buffer): void {
    if (!this.#capture) {
      const capture = new MessageCapture(this.#reading.settings);
      capture.onDrain = () => this.#brake.release(capture);
      this.#capture = capture;
    }
    this.#observed?.write('server', bytes);
    if (!this.#capture.write(bytes)) this.#brake.hold(this.#capture);
  }

  event(type: string, id: string | null): void {
    const capture = this.#capture ?? new MessageCapture(this.#reading.settings);
    this.#capture = null;
    this.#observed?.end('server');
    const at = Math.round((performance.now() - this.#flow.started) * 1000) / 1000;
    // They are text of the body.
    const shown = this.#reading.settings.keep === 'none' ? { event: '', event_id: null } : { event: type, event_id: id };
    const added = this.#log.add('server', (done) =>
      capture.finish((data, bytes) => {
        this.#brake.release(capture);
        done({ at, from: 'server', size: capture.size, ...data, ...shown }, bytes);
      }),
    );
    if (!added) this.#brake.hold(this.#log);
  }

  get #observed(): MessageWatch | null {
    if (this.#watch === undefined) this.#watch = MessageWatch.of(this.#flow.messageTaps, this.#reading.host, 'event');
    return this.#watch;
  }

  finish(done: (parts: RecordParts) => void): void {
    this.#finish = () => this.#log.finish((list) => done({ events: { ...list, format: this.#format, fault: this.#fault } }));
    if (this.#isRead) return this.#finish();
    // Nothing more comes, and what has come is still decoded.
    if (!this.#flow.down.isWhole) this.#entry.end();
  }

  #failed(fault: string): void {
    this.#fault = fault;
    this.#read();
  }

  #read(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    this.#capture?.drop();
    this.#capture = null;
    this.#finish?.();
  }
}

/** How many codings a body has, known ones or not. */
function codingCount(headers: Headers): number {
  return headers.getAll('content-encoding').join(',').split(',').filter((name) => !/^\s*(?:identity)?\s*$/i.test(name)).length;
}
