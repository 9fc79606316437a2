/** Takes flows from their beginning to their one terminal record, and hands each record to the hooks. */
import { randomBytes } from 'node:crypto';
import type { MentuError } from '../errors.ts';
import type { CaptureHooks } from '../hooks.ts';
import { BufferReclaimer } from '../flows/reclaimer.ts';
import { finishParts, type RecordPart } from '../flows/record-part.ts';
import type { BodyTaker } from '../flows/tee.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';
import type { BodyRecord, FlowKind, FlowRecord, Outcome, TimingRecord, UpstreamRecord, ViolationRecord } from '../record.ts';
import { BodyCapture, type CaptureSettings } from './body-capture.ts';
import type { BodyStore } from './bodies.ts';
import { CompletedRecord } from './completed-record.ts';
import { NO_BODY, connectionRecord, httpRecord } from './flow-record.ts';

/** Records that plugins may have in work; further requests wait, so that a slow sink slows the traffic and not the memory. */
const MAX_COMPLETING = 1000;

/** Bytes of a message that observers are given where nothing is recorded. */
const MESSAGE_LIMIT = 1024 * 1024;

/** Milliseconds in which no plugin let go of a record, at the end of the capture. */
const STUCK_MS = 30_000;

/** A flow under way, as far as the recorder must know it. */
export interface LiveFlow {
  readonly flow: HttpFlow;
  /** Ends the flow, which then completes. */
  abort(): void;
}

export class FlowRecorder {
  readonly hooks: CaptureHooks;
  readonly reclaimer = new BufferReclaimer();
  readonly #jobId: string;
  readonly #flowPrefix: string;
  readonly #settings: CaptureSettings | null;
  readonly #store: BodyStore | null;
  readonly #report: (plugin: string, hook: string, error: unknown) => void;
  readonly #live = new Set<LiveFlow>();
  #sequence = 0;
  /** Records on their way through the hooks. */
  #completing = 0;
  /** Of these, how many are no longer waited for. */
  #lost = 0;
  #idle: (() => void) | null = null;
  readonly #waiting: (() => void)[] = [];
  readonly #violations = new WeakMap<object, ViolationRecord>();

  /** @param settings null where nobody taps `onFlowComplete`: no body is captured and no record made. */
  constructor(
    jobId: string,
    hooks: CaptureHooks,
    settings: CaptureSettings | null,
    store: BodyStore | null,
    report: (plugin: string, hook: string, error: unknown) => void,
  ) {
    this.hooks = hooks;
    this.#jobId = jobId;
    this.#flowPrefix = `flow_${jobId.replace(/^job_/, '')}_`;
    this.#settings = settings;
    this.#store = store;
    this.#report = report;
  }

  get live(): number {
    return this.#live.size;
  }

  /** How messages and bodies are kept; null where nothing is recorded. */
  get captureSettings(): CaptureSettings | null {
    return this.#settings;
  }

  /** Bytes of a message that observers are given. */
  get messageLimit(): number {
    return this.#settings?.limit ?? MESSAGE_LIMIT;
  }

  /** The sinks are far behind: what is begun now waits. */
  get isBehind(): boolean {
    return this.#completing >= MAX_COMPLETING;
  }

  nextFlowId(): string {
    return this.#flowPrefix + (++this.#sequence).toString(36);
  }

  bodyCapture(): BodyCapture | null {
    return this.#settings && new BodyCapture(this.#settings);
  }

  begin(flow: LiveFlow): void {
    this.#live.add(flow);
  }

  /** Starts a flow as soon as the sinks keep up: in this turn, unless they are far behind. */
  admit(start: () => void): void {
    if (!this.isBehind) start();
    else this.#waiting.push(start);
  }

  /** Notes that a flow broke a rule. */
  violation(subject: object, facts: Omit<ViolationRecord, 'id'>): ViolationRecord {
    const violation = { id: `vio_${randomBytes(9).toString('base64url')}`, ...facts };
    this.#violations.set(subject, violation);
    return violation;
  }

  /** Runs a plugin's observer; its failure changes nothing. */
  guard(plugin: string, observe: () => void): void {
    try {
      observe();
    } catch (error) {
      this.#report(plugin, 'observe', error);
    }
  }

  /** The terminal record of a flow. Called once for each. */
  complete(live: LiveFlow, outcome: Outcome, error: MentuError | null): void {
    this.#live.delete(live);
    const { flow } = live;
    if (!this.#settings || !this.hooks.recordIsWanted) return this.#settle();
    this.#completing++;
    bodyOf(flow.up.capture, flow.request.headers, (request) => {
      const { response } = flow;
      const ended = (body: BodyRecord): void => {
        const record = httpRecord(this.#jobId, flow, { outcome, error, request, response: body, violation: this.#violations.get(flow) ?? null });
        this.#handWith(flow.parts, record, annotationsOf(flow));
      };
      if (!response) return ended(NO_BODY);
      bodyOf(flow.down.capture, response.headers, ended);
    });
  }

  /** The record of a connection that ended before any request, or was relayed undecrypted. Called once for each. */
  completeConnection(connection: CapturedConnection, facts: { kind: FlowKind; outcome: Outcome; error: MentuError | null; bytes: { up: number; down: number }; upstream?: UpstreamRecord | null; timing?: Partial<TimingRecord>; parts?: readonly RecordPart[] }): void {
    if (!this.#settings || !this.hooks.recordIsWanted) return;
    this.#completing++;
    const violation = this.#violations.get(connection) ?? null;
    this.#handWith(facts.parts ?? null, connectionRecord(this.#jobId, this.nextFlowId(), connection, { ...facts, violation }), { ...connection.annotations });
  }

  /** Ends what is under way and waits until the last record has been taken. */
  async close(): Promise<void> {
    for (const flow of this.#live) flow.abort();
    if (this.#completing <= this.#lost) return;
    const taken = new Promise<void>((resolve) => (this.#idle = resolve));
    let left = 0;
    let check: NodeJS.Timeout | undefined;
    const stuck = new Promise<void>((resolve) => {
      check = setInterval(() => {
        if (this.#completing === left) resolve();
        left = this.#completing;
      }, STUCK_MS);
    });
    await Promise.race([taken, stuck]);
    clearInterval(check);
    if (this.#completing <= this.#lost) return;
    this.#lost = this.#completing;
    this.#report('a plugin', 'onFlowComplete', new Error(`it has kept ${this.#lost} records for ${STUCK_MS / 1000} s, and they are not waited for`));
  }

  #handWith(parts: readonly RecordPart[] | null, record: FlowRecord, annotations: FlowRecord['annotations']): void {
    if (parts === null) return this.#hand(record, annotations);
    finishParts(parts, (all) => this.#hand(Object.assign(record, all), annotations));
  }

  #hand(record: FlowRecord, annotations: FlowRecord['annotations']): void {
    record.annotations = annotations;
    this.hooks.complete(new CompletedRecord(record, this.#store), () => {
      this.#completing--;
      this.#settle();
    });
  }

  #settle(): void {
    while (this.#waiting.length > 0 && !this.isBehind) this.#waiting.shift()!();
    if (this.#completing <= this.#lost) this.#idle?.();
  }
}

/** What was noted on the connection holds for each of its flows. */
function annotationsOf({ annotations, connection }: HttpFlow): Record<string, Record<string, unknown>> {
  for (const plugin in connection.annotations) annotations[plugin] = { ...connection.annotations[plugin], ...annotations[plugin] };
  return annotations;
}

function bodyOf(capture: BodyTaker | null, headers: Parameters<BodyTaker['finish']>[0], done: (body: BodyRecord) => void): void {
  if (capture) capture.finish(headers, done);
  else done(NO_BODY);
}
