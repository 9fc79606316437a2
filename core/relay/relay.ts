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
import type { ClientEvents, ClientExchange, ResponseHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import { Dispatch } from './dispatch.ts';
import { HttpFlow } from '../flows/http-flow.ts';
import { passesReset } from './grpc-answer.ts';
import { Refusal, answered, breakAnswer, denied, failed, type Ending } from './refusal.ts';
import { ResponseRelay } from './response-relay.ts';
import { HELD_BY_PEER, Tee } from '../flows/tee.ts';
import { Upgrade } from './upgrade.ts';
import { readRequest } from '../streams/formats.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';

/** Milliseconds in which nothing more came of a request whose response is whole. */
const OVERTAKEN_SILENCE = 5_000;

export class FlowRelay implements ClientEvents, UpstreamEvents {
  readonly flow: HttpFlow;
  readonly #client: ClientExchange;
  readonly #recorder: FlowRecorder;
  readonly #dispatch: Dispatch;
  #upstream: UpstreamExchange | null = null;
  #refusal: Refusal | null = null;
  #upgrade: Upgrade | null = null;
  readonly #request: Tee;
  readonly #response: ResponseRelay;
  #requestEnded: boolean;
  /** The client has ended its half of the connection. */
  #halfClosed = false;
  /** Runs while a request goes on after its response. */
  #overtaken: NodeJS.Timeout | null = null;
  #finished = false;

  constructor(recorder: FlowRecorder, connection: CapturedConnection, client: ClientExchange, toProxy: boolean) {
    this.#recorder = recorder;
    this.#client = client;
    this.#requestEnded = !client.head.hasBody;
    this.#request = new Tee(recorder, { pause: () => client.pauseRequest(), resume: () => client.resumeRequest() });
    const down = new Tee(recorder, { pause: () => this.#upstream?.pauseResponse(), resume: () => this.#upstream?.resumeResponse() });
    this.flow = new HttpFlow(recorder.nextFlowId(), connection, client.head, this.#request, down);
    this.#response = new ResponseRelay(this.flow, client, () => this.#responded());
    this.#dispatch = new Dispatch(this.flow, client.head, toProxy);
    connection.flows++;
    recorder.begin(this);
    client.attach(this);
  }

  /** @param problem what is already known to be wrong with the request; it is answered and not forwarded. */
  begin(problem: MentuError | null = null): void {
    this.#recorder.admit(() => {
      if (this.#finished) return;
      if (problem) this.#fail(problem);
      else if (this.flow.connection.verdict) this.#decided(this.flow.connection.verdict);
      else this.#recorder.hooks.request(this.flow, (verdict) => this.#decided(verdict));
    });
  }

  #decided(verdict: Verdict | undefined): void {
    if (this.#finished) return;
    this.flow.verdict = verdict;
    readRequest(this.flow, this.#recorder);
    if (verdict?.action === 'deny') this.#refuse(denied(this.flow, verdict, this.#recorder));
    else if (verdict?.action === 'answer' && !this.flow.connection.isClientRefused) this.#refuse(answered(verdict));
    else this.#dispatch.begin(this, this.#onReady);
  }

  // The request.

  readonly #onReady = (exchange: UpstreamExchange): void => {
    if (this.#finished) return exchange.reset();
    this.#upstream = exchange;
    if (this.#requestEnded) {
      this.flow.sendEnded = performance.now();
      exchange.end(this.#request.trailers);
    }
    if (this.#halfClosed) this.#passHalfClose(exchange);
    this.#request.release(HELD_BY_PEER);
    this.#client.start();
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
    this.#request.end(trailers);
    if (this.#refusal) return this.#refusal.answer();
    this.flow.sendEnded = performance.now();
    this.#upstream?.end(trailers);
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
    this.#overtaken?.refresh();
    this.#request.release(HELD_BY_PEER);
  }

  // The response.

  onInform(head: ResponseHead): void {
    if (this.#finished || this.#response.inform(head)) return;
    this.#fail(new MentuError('upstream_protocol_error', { host: this.flow.connection.host, reason: 'its 1xx answers have no end' }));
  }

  onResponse(head: ResponseHead): void {
    this.#response.head(head, this.#recorder);
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
    else if (this.#client.head.headers.has('expect') && this.#request.size === 0) this.#abandonRequest();
    else this.#overtaken = setTimeout(() => this.#abandonRequest(), OVERTAKEN_SILENCE);
  }

  #complete(): void {
    this.#upstream = null;
    this.#finish('completed', null);
    this.#dispatch.freed();
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

  onClientAbort(code?: number): void {
    // A client may leave with the last byte that the head announced, before the upstream has said that it was the last.
    const delivered = this.#overtaken !== null || (this.#requestEnded && this.#response.isDelivered);
    this.#breakOff(delivered ? 'completed' : 'aborted', delivered ? null : new MentuError('client_aborted'), code);
  }

  onClientError(error: MentuError): void {
    if (this.#finished) return;
    this.#requestEnded = true;
    this.#fail(error);
  }

  onUpstreamError(error: MentuError, untouched: boolean, code?: number): void {
    if (this.#finished) return;
    this.#upstream = null;
    // A kept connection that the server closed just then: as any client does, ask once more on a new one.
    if (this.#dispatch.repeats(untouched, code)) return this.#dispatch.begin(this, this.#onReady);
    if (this.#overtaken) return this.#abandonRequest();
    // The server has taken the end of the client's half for the end of the client.
    if (this.#halfClosed && this.flow.upstream && error.code === 'upstream_aborted') return this.abort(new MentuError('client_aborted'));
    this.#fail(error, code);
  }

  /** By default: the capture ends while the flow is under way. */
  abort(error = new MentuError('shutting_down')): void {
    if (this.#finished) return;
    this.#breakOff('aborted', error);
    this.#client.reset();
  }

  onUpgrade(head: ResponseHead, connection: Duplex): void {
    this.#upstream = null;
    if (this.#finished) return void connection.destroy();
    this.#upgrade = new Upgrade(this.flow, this.#client, this.#recorder, head, connection, ({ outcome, error }) => this.#finish(outcome, error));
    const fault = this.#upgrade.begin(this.#requestEnded ? this.#dispatch.upgraded() : null);
    if (fault) this.#fail(fault);
  }

  /** The exchange failed before or after its answer began. @param code the upstream's reset. */
  #fail(error: MentuError, code?: number): void {
    if (this.#finished) return;
    this.#upstream?.reset();
    this.#upstream = null;
    if (this.#client.responded || passesReset(this.flow.request, code)) {
      breakAnswer(this.flow, this.#client, error, code);
      return this.#finish('failed', error);
    }
    this.#refuse(failed(this.flow, error, this.#recorder));
  }

  /** Answers in the upstream's place. */
  #refuse(ending: Ending): void {
    this.#response.shut();
    this.#refusal = new Refusal(this.flow, this.#client, ending, ({ outcome, error }) => this.#finish(outcome, error));
    this.#request.release(HELD_BY_PEER);
    this.#refusal.begin(this.#requestEnded);
  }

  #breakOff(outcome: Outcome, error: MentuError | null, code?: number): void {
    if (this.#finished) return;
    // What was to be answered is answered, though nobody may hear it.
    if (this.#refusal) return this.#refusal.answer();
    this.#dispatch.cancel(this);
    this.#upstream?.reset(code);
    this.#upstream = null;
    this.#finish(outcome, error);
  }

  #finish(outcome: Outcome, error: MentuError | null): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#response.shut();
    this.#upgrade?.abort();
    if (this.#overtaken) clearTimeout(this.#overtaken);
    this.flow.ended = performance.now();
    this.#recorder.complete(this, outcome, error);
  }
}
