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
import type { Headers } from '../headers.ts';
import type { Verdict } from '../decision.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { Outcome } from '../record.ts';
import type { LinkFacts } from '../upstream/link.ts';
import { denialAnswer, denialError, dialRefusal, failureAnswer, pluginAnswer, type Answer } from './answer.ts';
import type { ClientEvents, ClientExchange, RequestHead, ResponseHead, UpstreamEvents, UpstreamExchange } from './exchange.ts';
import { HttpFlow } from './http-flow.ts';
import { Refusal, sendAnswer } from './refusal.ts';
import { ResponseRelay } from './response-relay.ts';
import { splice } from './splice.ts';
import { HELD_BY_PEER, Tee } from './tee.ts';
import { requestFor } from './translation.ts';
import type { CapturedConnection } from './captured-connection.ts';

/** Milliseconds in which nothing more came of a request whose response is whole. */
const OVERTAKEN_SILENCE = 5_000;
/** Methods whose requests may be sent again (RFC 9110, section 9.2.2), where no body has been spent. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

export class FlowRelay implements ClientEvents, UpstreamEvents {
  readonly flow: HttpFlow;
  readonly #client: ClientExchange;
  readonly #recorder: FlowRecorder;
  readonly #toProxy: boolean;
  #upstream: UpstreamExchange | null = null;
  #refusal: Refusal | null = null;
  readonly #request: Tee;
  readonly #response: ResponseRelay;
  #requestEnded: boolean;
  /** The client has ended its half of the connection. */
  #halfClosed = false;
  /** Runs while a request goes on after its response. */
  #overtaken: NodeJS.Timeout | null = null;
  #waitingForLink = false;
  #retried = false;
  #finished = false;

  constructor(recorder: FlowRecorder, connection: CapturedConnection, client: ClientExchange, toProxy: boolean) {
    this.#recorder = recorder;
    this.#client = client;
    this.#toProxy = toProxy;
    this.#requestEnded = !client.head.hasBody;
    this.#request = new Tee(recorder, { pause: () => client.pauseRequest(), resume: () => client.resumeRequest() });
    const down = new Tee(recorder, { pause: () => this.#upstream?.pauseResponse(), resume: () => this.#upstream?.resumeResponse() });
    this.flow = new HttpFlow(recorder.nextFlowId(), connection, client.head, this.#request, down);
    this.#response = new ResponseRelay(this.flow, client, () => this.#responded());
    connection.flows++;
    recorder.begin(this);
    client.attach(this);
  }

  /** @param problem what is already known to be wrong with the request; it is answered and not forwarded. */
  begin(problem: MentuError | null = null): void {
    this.#recorder.admit(() => {
      const { connection } = this.flow;
      if (this.#finished) return;
      if (problem) this.#fail(problem);
      else if (connection.verdict) this.#decided(connection.verdict);
      else this.#recorder.hooks.request(this.flow, (verdict) => this.#decided(verdict));
    });
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
    if (this.#halfClosed) this.#passHalfClose(exchange);
    if (!this.#retried) this.#client.start();
  };

  onRequestData(chunk: Buffer): void {
    if (this.#finished) return;
    const request = this.#request;
    request.pass(chunk);
    this.#overtaken?.refresh();
    if (this.#refusal) this.#refusal.sawBody(chunk.length);
    else if (!this.#upstream!.write(chunk)) request.hold(HELD_BY_PEER);
  }

  onRequestEnd(trailers: Headers | null): void {
    this.#requestEnded = true;
    if (this.#finished) return;
    this.#request.trailers = trailers;
    this.#request.capture?.end();
    if (this.#refusal) return this.#refusal.answer();
    this.flow.sendEnded = performance.now();
    this.#upstream!.end(trailers);
    if (this.#overtaken) this.#complete();
  }

  onClientHalfClose(): void {
    this.#halfClosed = true;
    if (this.#upstream) this.#passHalfClose(this.#upstream);
  }

  /** Most servers take it for the end of the client, some answer all the same: theirs to say, as it would be without us. */
  #passHalfClose(exchange: UpstreamExchange): void {
    if (!exchange.endConnection()) this.onClientAbort();
  }

  onUpstreamDrain(): void {
    this.#request.release(HELD_BY_PEER);
  }

  // The response.

  onInform(head: ResponseHead): void {
    this.#response.inform(head);
  }

  onResponse(head: ResponseHead): void {
    this.#response.head(head, this.#recorder.hooks);
  }

  onResponseData(chunk: Buffer): void {
    this.#response.data(chunk);
  }

  onResponseEnd(trailers: Headers | null): void {
    this.#response.end(trailers);
  }

  #responded(): void {
    if (this.#finished) return;
    if (this.#requestEnded) this.#complete();
    // Who still waits to be asked for the body has had its answer.
    else if (this.#client.head.headers.has('expect') && !this.#request.hasBegun) this.#abandonRequest();
    else this.#overtaken = setTimeout(() => this.#abandonRequest(), OVERTAKEN_SILENCE);
  }

  #complete(): void {
    this.#upstream = null;
    this.#finish('completed', null);
    this.flow.connection.link?.freed();
  }

  /** The response is whole, and what is left of the request is not waited for. */
  #abandonRequest(): void {
    this.#upstream?.reset();
    this.#complete();
    this.#client.abandonRequest();
  }

  onClientDrain(): void {
    this.flow.down.release(HELD_BY_PEER);
  }

  // Ways to end early.

  onClientAbort(): void {
    // A client may leave with the last byte that the head announced, before the upstream has said that it was the last.
    if (this.#overtaken || this.#isDelivered) this.#breakOff('completed', null);
    else this.#breakOff('aborted', new MentuError('client_aborted'));
  }

  onClientError(error: MentuError): void {
    if (this.#finished) return;
    this.#upstream?.reset();
    this.#requestEnded = true;
    this.#fail(error);
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
    if (this.#overtaken) return this.#abandonRequest();
    // The server has taken the end of the client's half for the end of the client.
    if (this.#halfClosed && flow.upstream && error.code === 'upstream_aborted') return this.abort(new MentuError('client_aborted'));
    this.#fail(error);
  }

  /** By default: the capture ends while the flow is under way. */
  abort(error = new MentuError('shutting_down')): void {
    if (this.#finished) return;
    this.#breakOff('aborted', error);
    this.#client.reset();
  }

  onUpgrade(head: ResponseHead, connection: Duplex): void {
    const { flow } = this;
    const { host } = flow.connection;
    this.#upstream = null;
    if (this.#finished || !this.#client.head.wantsUpgrade || !this.#requestEnded) {
      connection.destroy();
      return this.#fail(new MentuError('upstream_protocol_error', { host, reason: 'it switched protocols unasked' }));
    }
    flow.response = head;
    flow.responseStarted = performance.now();
    this.#client.inform(head);
    splice(this.#client.detach()!, connection, host, flow.tunnelled, (end) => this.#finish(end.outcome, end.error));
  }

  #deny(verdict: Extract<Verdict, { action: 'deny' }>): void {
    const host = verdict.host ?? this.flow.connection.host;
    this.#violate(denialError(verdict, host, this.flow.connection.host), { rule: verdict.rule, host, by: verdict.by });
  }

  /** The exchange failed before or after its answer began. */
  #fail(error: MentuError): void {
    if (this.#finished) return;
    this.#upstream = null;
    if (this.#client.responded) {
      this.#finish('failed', error);
      return this.#client.reset();
    }
    // What the dialler refuses is a denial like any other.
    const rule = dialRefusal(error);
    if (rule === null) return this.#refuse('failed', error, failureAnswer(error));
    this.flow.verdict = { action: 'deny', rule, code: error.code, by: 'core' };
    this.#violate(error, { rule, host: this.flow.connection.host, by: 'core' });
  }

  #violate(error: MentuError, facts: { rule: string; host: string; by: string }): void {
    this.#refuse('denied', error, denialAnswer(this.#recorder.violation(this.flow, { code: error.code, ...facts })));
  }

  /** Answers in the upstream's place. */
  #refuse(outcome: Outcome, error: MentuError | null, answer: Answer): void {
    this.#response.shut();
    this.#refusal = new Refusal(this.#client, this.#requestEnded, () => {
      this.flow.response = answer.head;
      this.flow.responseStarted = performance.now();
      if (answer.body.length > 0 && this.#client.head.method !== 'HEAD') this.flow.down.pass(answer.body);
      this.#finish(outcome, error);
      sendAnswer(this.#client, answer);
    });
    this.#request.release(HELD_BY_PEER);
    if (this.#refusal.isWaiting) this.#client.start();
  }

  get #isDelivered(): boolean {
    const announced = this.flow.response?.headers.get('content-length');
    return announced !== undefined && this.#requestEnded && this.flow.down.capture?.size === Number(announced);
  }

  #breakOff(outcome: Outcome, error: MentuError | null): void {
    if (this.#finished) return;
    if (this.#waitingForLink) this.flow.connection.link?.cancel(this);
    this.#upstream?.reset();
    this.#upstream = null;
    this.#finish(outcome, error);
  }

  #finish(outcome: Outcome, error: MentuError | null): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#response.shut();
    this.#refusal?.cancel();
    if (this.#overtaken) clearTimeout(this.#overtaken);
    this.flow.ended = performance.now();
    this.#recorder.complete(this, outcome, error);
  }
}
