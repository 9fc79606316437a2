/**
 * The response's half of a flow: what the upstream says, passed on to the client. It is held back until the taps
 * of `onResponse` have seen its head.
 */
import type { Headers } from '../headers.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { ClientExchange, ResponseHead } from '../exchange.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import { HELD_BY_HOOK, HELD_BY_PEER } from '../flows/tee.ts';
import { readResponse } from '../streams/formats.ts';
import { servedAlternatives } from './alternatives.ts';
import { responseFor } from './translation.ts';

/** 1xx answers that a record has; further ones are forwarded alone. */
const MAX_INFORMATIONAL = 100;
/** What all 1xx answers of one exchange may take: they cannot be held back, and a client may not read them. Characters. */
const MAX_INFORMATIONAL_SIZE = 1024 * 1024;
/** Of each, beside its fields. */
const STATUS_LINE = 32;

export class ResponseRelay {
  readonly #flow: HttpFlow;
  readonly #client: ClientExchange;
  readonly #onEnd: () => void;
  /** What came before the taps were done: at most what was in flight when the source was paused. */
  #early: Buffer[] = [];
  #ending: { readonly trailers: Headers | null } | null = null;
  #state: 'held' | 'open' | 'shut' = 'held';
  #informed = 0;

  /** @param onEnd is called when the response has been passed on whole. */
  constructor(flow: HttpFlow, client: ClientExchange, onEnd: () => void) {
    this.#flow = flow;
    this.#client = client;
    this.#onEnd = onEnd;
  }

  /** From here on nothing is passed on: the flow is over, or answered by us. */
  shut(): void {
    this.#state = 'shut';
    this.#early = [];
  }

  /** True where all that the head announced has been passed on. */
  get isDelivered(): boolean {
    const announced = this.#flow.response?.headers.get('content-length');
    return announced !== undefined && this.#flow.down.size === Number(announced);
  }

  /** False where there have been too many. */
  inform(head: ResponseHead): boolean {
    if (this.#state === 'shut') return true;
    this.#informed += head.headers.raw.reduce((size, text) => size + text.length, STATUS_LINE);
    if (this.#informed > MAX_INFORMATIONAL_SIZE) return false;
    if (this.#flow.informational.length < MAX_INFORMATIONAL) this.#flow.informational.push(head);
    this.#client.inform(responseFor(head, this.#client.head.httpVersion));
    return true;
  }

  head(head: ResponseHead, recorder: FlowRecorder): void {
    if (this.#state === 'shut') return;
    this.#flow.responseStarted = performance.now();
    this.#flow.response = head;
    const { hooks } = recorder;
    if (!hooks.responseIsTapped) return this.#open(head, recorder);
    let waiting = false;
    hooks.response(this.#flow, () => {
      this.#open(head, recorder);
      if (waiting) this.#flow.down.release(HELD_BY_HOOK);
    });
    if (this.#state !== 'held') return;
    waiting = true;
    this.#flow.down.hold(HELD_BY_HOOK);
  }

  data(chunk: Buffer): void {
    if (this.#state === 'open') {
      this.#flow.down.pass(chunk);
      if (!this.#client.write(chunk)) this.#flow.down.hold(HELD_BY_PEER);
    } else if (this.#state === 'held') {
      this.#early.push(chunk);
    }
  }

  end(trailers: Headers | null): void {
    if (this.#state === 'held') this.#ending = { trailers };
    if (this.#state !== 'open') return;
    this.#flow.down.end(trailers);
    this.#client.end(trailers);
    this.#onEnd();
  }

  #open(head: ResponseHead, recorder: FlowRecorder): void {
    if (this.#state === 'shut') return;
    this.#state = 'open';
    if (head.hasBody) readResponse(this.#flow, recorder);
    this.#client.respond(responseFor(this.#withServedAlternatives(head), this.#client.head.httpVersion));
    for (const chunk of this.#early) this.data(chunk);
    this.#early = [];
    if (this.#ending) this.end(this.#ending.trailers);
  }

  #withServedAlternatives(head: ResponseHead): ResponseHead {
    const { annotations, connection } = this.#flow;
    const served = servedAlternatives(head.headers, connection.servesHttp3);
    if (served === null) return head;
    annotations['core'] = { ...annotations['core'], alt_svc_removed: served.removed };
    return { ...head, headers: served.headers };
  }
}
