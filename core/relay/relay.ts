/**
 * The life of one flow, in the order of its steps:
 *
 *   begin → onRequest → (answer in the upstream's place | forward) → onResponse → end → the recorder
 *
 * It stands between a `ClientExchange` and an `UpstreamExchange`, passes each byte on as it comes, and
 * gives each to the body captures. Whatever happens, `#finish` runs exactly once.
 */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { Side } from '../flow.ts';
import type { Headers } from '../headers.ts';
import type { Verdict } from '../hooks.ts';
import type { BodyCapture } from '../recorder/body-capture.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { Outcome } from '../record.ts';
import type { LinkFacts } from '../upstream/link.ts';
import { denialAnswer, dialRefusal, failureAnswer, pluginAnswer, type Answer } from './answer.ts';
import type { ClientEvents, ClientExchange, RequestHead, ResponseHead, UpstreamEvents, UpstreamExchange } from './exchange.ts';
import { HttpFlow } from './http-flow.ts';
import { splice } from './splice.ts';
import { requestFor, responseFor } from './translation.ts';
import type { CapturedConnection } from './captured-connection.ts';

/** How much of the body of a refused request is read for the record before it is answered. */
const PATIENCE_BYTES = 1024 * 1024;
const PATIENCE_MS = 2000;
/** Methods whose requests may be sent again (RFC 9110, section 9.2.2), where no body has been spent. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

export class FlowRelay implements ClientEvents, UpstreamEvents {
  readonly flow: HttpFlow;
  readonly #client: ClientExchange;
  readonly #recorder: FlowRecorder;
  readonly #toProxy: boolean;
  #upstream: UpstreamExchange | null = null;
  /** Set while a refused request's body is still read. */
  #refusal: (() => void) | null = null;
  #patience: NodeJS.Timeout | null = null;
  /** What of a body came while taps of `onResponse` were still at work; at most what was in flight. */
  #early: { chunks: Buffer[]; end: { trailers: Headers | null } | null } | null = null;
  #requestHeld = 0;
  #responseHeld = 0;
  #requestEnded: boolean;
  #responseBegun = false;
  #waitingForLink = false;
  #retried = false;
  #finished = false;

  constructor(recorder: FlowRecorder, connection: CapturedConnection, client: ClientExchange, toProxy: boolean) {
    this.#recorder = recorder;
    this.#client = client;
    this.#toProxy = toProxy;
    this.#requestEnded = !client.head.hasBody;
    this.flow = new HttpFlow(recorder.nextFlowId(), connection, client.head);
    connection.flows++;
    recorder.begin(this);
  }

  /** @param problem what is already known to be wrong with the request; it is answered and not forwarded. */
  begin(problem: MentuError | null = null): void {
    const { connection } = this.flow;
    if (problem) this.#fail(problem);
    else if (connection.verdict) this.#decided(connection.verdict);
    else this.#recorder.hooks.request(this.flow, (verdict) => this.#decided(verdict));
  }

  #decided(verdict: Verdict | undefined): void {
    if (this.#finished) return;
    this.flow.verdict = verdict;
    if (verdict?.action === 'deny') this.#deny(verdict);
    else if (verdict?.action === 'answer') this.#refuse('completed', null, pluginAnswer(verdict));
    else this.#forward();
  }

  // The request.

  #forward(): void {
    const { flow } = this;
    const { link, failure } = flow.connection;
    if (failure || !link) return this.#fail(failure ?? new MentuError('shutting_down'));
    const { head } = this.#client;
    head.method = flow.request.method;
    head.authority = flow.request.authority;
    head.path = flow.request.path;
    this.#waitingForLink = true;
    link.dispatch(this.#onConnection, this, this.#onReady);
  }

  readonly #onConnection = (facts: LinkFacts, reused: boolean): RequestHead => {
    const { flow } = this;
    this.#waitingForLink = false;
    flow.upstream = facts;
    flow.upstreamReused = reused;
    flow.sendStarted = performance.now();
    return requestFor(this.#client.head, facts.httpVersion, this.#toProxy);
  };

  readonly #onReady = (exchange: UpstreamExchange): void => {
    if (this.#finished) return exchange.reset();
    this.#upstream = exchange;
    if (this.#requestEnded) {
      this.flow.sendEnded = performance.now();
      exchange.end(null);
    }
    if (!this.#retried) this.#client.start(this);
  };

  onRequestData(chunk: Buffer): void {
    if (this.#finished) return;
    const { flow } = this;
    flow.requestBody ??= this.#capture('request');
    if (!this.#seen('request', chunk, flow.requestBody)) this.#requestHeld |= HELD_BY_CAPTURE;
    if (this.#refusal) {
      if (flow.requestBody && flow.requestBody.size > PATIENCE_BYTES) this.#answerRefusal();
    } else if (!this.#upstream!.write(chunk)) {
      this.#requestHeld |= HELD_BY_PEER;
    }
    if (this.#requestHeld !== 0) this.#client.pauseRequest();
  }

  onRequestEnd(trailers: Headers | null): void {
    this.#requestEnded = true;
    if (this.#finished) return;
    this.flow.requestTrailers = trailers;
    this.flow.requestBody?.end();
    if (this.#refusal) return this.#answerRefusal();
    this.flow.sendEnded = performance.now();
    this.#upstream!.end(trailers);
  }

  onUpstreamDrain(): void {
    this.#releaseRequest(HELD_BY_PEER);
  }

  // The response.

  onInform(head: ResponseHead): void {
    if (this.#finished) return;
    this.flow.informational.push(head);
    this.#client.inform(responseFor(head, this.#client.head.httpVersion));
  }

  onResponse(head: ResponseHead): void {
    if (this.#finished) return;
    const { flow } = this;
    flow.responseStarted = performance.now();
    flow.response = head;
    const { hooks } = this.#recorder;
    if (!hooks.responseIsTapped) return this.#respond(head);
    // The body waits until the taps have seen the head.
    let sync = true;
    let done = false;
    hooks.response(flow, () => {
      done = true;
      this.#respond(head);
      if (!sync) this.#release(HELD_BY_HOOK);
    });
    sync = false;
    if (!done) this.#hold(HELD_BY_HOOK);
  }

  #respond(head: ResponseHead): void {
    if (this.#finished) return;
    this.#responseBegun = true;
    this.#client.respond(responseFor(head, this.#client.head.httpVersion));
    const early = this.#early;
    this.#early = null;
    if (!early) return;
    for (const chunk of early.chunks) this.onResponseData(chunk);
    if (early.end) this.onResponseEnd(early.end.trailers);
  }

  onResponseData(chunk: Buffer): void {
    if (this.#finished) return;
    if (!this.#responseBegun) {
      (this.#early ??= { chunks: [], end: null }).chunks.push(chunk);
      return;
    }
    const { flow } = this;
    flow.responseBody ??= this.#capture('response');
    const kept = this.#seen('response', chunk, flow.responseBody);
    if (!kept) this.#hold(HELD_BY_CAPTURE);
    if (!this.#client.write(chunk)) this.#hold(HELD_BY_PEER);
  }

  onResponseEnd(trailers: Headers | null): void {
    if (this.#finished) return;
    if (!this.#responseBegun) {
      (this.#early ??= { chunks: [], end: null }).end = { trailers };
      return;
    }
    this.flow.responseTrailers = trailers;
    const upstream = this.#upstream;
    this.#upstream = null;
    this.#client.end(trailers);
    this.#finish('completed', null);
    if (!this.#requestEnded) upstream?.reset();
    this.flow.connection.link?.freed();
  }

  onClientDrain(): void {
    this.#release(HELD_BY_PEER);
  }

  // Ways to end early.

  onClientAbort(): void {
    this.#breakOff('aborted', new MentuError('client_aborted'));
  }

  onClientError(error: MentuError): void {
    if (this.#finished) return;
    this.#upstream?.reset();
    this.#upstream = null;
    this.#finish('failed', error);
    this.#client.reset();
  }

  onUpstreamError(error: MentuError, untouched: boolean): void {
    if (this.#finished) return;
    const { flow } = this;
    this.#upstream = null;
    this.#waitingForLink = false;
    // A kept connection that the server closed just then: as any client does, ask once more on a new one.
    if (untouched && flow.upstreamReused && !this.#retried && !this.#client.head.hasBody && REPEATABLE.has(flow.request.method)) {
      this.#retried = true;
      return this.#forward();
    }
    this.#fail(error);
  }

  /** The capture ends while the flow is under way. */
  abort(): void {
    if (this.#finished) return;
    this.#breakOff('aborted', new MentuError('shutting_down'));
    this.#client.reset();
  }

  onUpgrade(head: ResponseHead, connection: Duplex): void {
    if (this.#finished) return void connection.destroy();
    this.flow.response = head;
    this.flow.responseStarted = performance.now();
    this.#upstream = null;
    this.#client.inform(head);
    const client = this.#client.detach();
    if (!client) {
      connection.destroy();
      return this.#fail(new MentuError('upstream_protocol_error', { host: this.flow.connection.host, reason: 'it switched protocols unasked' }));
    }
    splice(client, connection, this.flow.tunnelled, (side, error) => {
      if (side === null) return this.#finish('completed', null);
      if (side === 'client') return this.#finish('aborted', new MentuError('client_aborted', {}, { cause: error }));
      this.#finish('failed', new MentuError('upstream_aborted', { host: this.flow.connection.host, reason: error?.message ?? 'the connection was closed' }));
    });
  }

  #deny(verdict: Extract<Verdict, { action: 'deny' }>): void {
    const code = verdict.code ?? 'denied';
    const host = verdict.host ?? this.flow.connection.host;
    const violation = this.#recorder.violation(this.flow, { code, rule: verdict.rule, host, by: verdict.by });
    const error = new MentuError(code, { host, rule: verdict.rule, plugin: verdict.by, reason: verdict.rule, destination: this.flow.connection.host, name: host });
    this.#refuse('denied', error, denialAnswer(violation));
  }

  /** The exchange failed before or after its answer began. */
  #fail(error: MentuError): void {
    if (this.#finished) return;
    if (this.#responseBegun || this.flow.response) {
      this.#finish('failed', error);
      return this.#client.reset();
    }
    // What the dialler refuses is a denial like any other.
    const rule = dialRefusal(error);
    if (rule === null) return this.#refuse('failed', error, failureAnswer(error));
    this.flow.verdict = { action: 'deny', rule, code: error.code, by: 'core' };
    const violation = this.#recorder.violation(this.flow, { code: error.code, rule, host: this.flow.connection.host, by: 'core' });
    this.#refuse('denied', error, denialAnswer(violation));
  }

  /** Answers in the upstream's place, after the request's body was read for the record as far as patience goes. */
  #refuse(outcome: Outcome, error: MentuError | null, answer: Answer): void {
    this.#refusal = () => {
      this.flow.response = answer.head;
      this.flow.responseStarted = performance.now();
      this.#client.respond(responseFor(answer.head, this.#client.head.httpVersion));
      if (answer.body.length > 0 && this.#client.head.method !== 'HEAD') {
        this.flow.responseBody = this.#capture('response');
        this.flow.responseBody?.write(answer.body);
        this.#client.write(answer.body);
      }
      this.#client.end(null);
      this.#finish(outcome, error);
    };
    if (this.#requestEnded || this.#client.head.headers.has('expect')) return this.#answerRefusal();
    this.#patience = setTimeout(() => this.#answerRefusal(), PATIENCE_MS);
    if (!this.#upstream) this.#client.start(this);
  }

  #answerRefusal(): void {
    const refusal = this.#refusal;
    this.#refusal = null;
    if (!this.#finished) refusal?.();
  }

  #breakOff(outcome: Outcome, error: MentuError): void {
    if (this.#finished) return;
    if (this.#waitingForLink) this.flow.connection.link?.cancel(this);
    this.#upstream?.reset();
    this.#upstream = null;
    this.#finish(outcome, error);
  }

  #finish(outcome: Outcome, error: MentuError | null): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.#patience) clearTimeout(this.#patience);
    this.flow.ended = performance.now();
    this.#recorder.complete(this, outcome, error);
  }

  // Bodies.

  #capture(side: Side): BodyCapture | null {
    const capture = this.#recorder.bodyCapture();
    if (capture) {
      capture.onDrain = () => {
        if (side === 'response') this.#release(HELD_BY_CAPTURE);
        else this.#releaseRequest(HELD_BY_CAPTURE);
      };
    }
    return capture;
  }

  #seen(side: Side, chunk: Buffer, capture: BodyCapture | null): boolean {
    const observers = this.flow.observers[side];
    if (observers) for (const observe of observers) this.#recorder.guard(() => observe(chunk));
    return capture === null || capture.write(chunk);
  }

  #releaseRequest(reason: number): void {
    if (this.#requestHeld === 0) return;
    this.#requestHeld &= ~reason;
    if (this.#requestHeld === 0) this.#client.resumeRequest();
  }

  #hold(reason: number): void {
    if (this.#responseHeld === 0) this.#upstream?.pauseResponse();
    this.#responseHeld |= reason;
  }

  #release(reason: number): void {
    if (this.#responseHeld === 0) return;
    this.#responseHeld &= ~reason;
    if (this.#responseHeld === 0) this.#upstream?.resumeResponse();
  }
}

const HELD_BY_PEER = 1;
const HELD_BY_CAPTURE = 2;
const HELD_BY_HOOK = 4;
