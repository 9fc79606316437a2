/** Flows that are answered in the upstream's place: denied, failed, or answered by a plugin. */
import type { Verdict } from '../decision.ts';
import type { MentuError } from '../errors.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import type { Outcome } from '../record.ts';
import { denialAnswer, denialError, dialRefusal, failureAnswer, pluginAnswer, type Answer } from './answer.ts';
import { grpcDenial, grpcFailure, isGrpc, lastWords } from './grpc-answer.ts';
import type { ClientExchange } from '../exchange.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import { responseFor } from './translation.ts';

/** Bytes and milliseconds of a refused request's body that are waited for. */
const PATIENCE_BYTES = 1024 * 1024;
const PATIENCE_MS = 2000;

/** How a flow ends by our own answer. */
export interface Ending {
  readonly outcome: Outcome;
  readonly error: MentuError | null;
  readonly answer: Answer;
}

export function answered(verdict: Extract<Verdict, { action: 'answer' }>): Ending {
  return { outcome: 'completed', error: null, answer: pluginAnswer(verdict) };
}

export function denied(flow: HttpFlow, verdict: Extract<Verdict, { action: 'deny' }>, recorder: FlowRecorder): Ending {
  const host = verdict.host ?? flow.connection.host;
  return violation(flow, denialError(verdict, host, flow.connection.host), { rule: verdict.rule, host, by: verdict.by }, recorder);
}

/** What the dialler refuses is a denial like any other. */
export function failed(flow: HttpFlow, error: MentuError, recorder: FlowRecorder): Ending {
  const rule = dialRefusal(error);
  if (rule === null) return { outcome: 'failed', error, answer: isGrpc(flow.request) ? grpcFailure(flow.request, error) : failureAnswer(error) };
  flow.verdict = { action: 'deny', rule, code: error.code, by: 'core' };
  return violation(flow, error, { rule, host: flow.connection.host, by: 'core' }, recorder);
}

function violation(flow: HttpFlow, error: MentuError, facts: { rule: string; host: string; by: string }, recorder: FlowRecorder): Ending {
  const noted = recorder.violation(flow, { code: error.code, ...facts });
  return { outcome: 'denied', error, answer: isGrpc(flow.request) ? grpcDenial(flow.request, noted) : denialAnswer(noted) };
}

/** Ends an answer that cannot be completed, so that the client sees it. @param code the upstream's own reset. */
export function breakAnswer(flow: HttpFlow, client: ClientExchange, error: MentuError, code: number | undefined): void {
  const trailers = code === undefined && client.responded ? lastWords(flow.request, error) : null;
  if (!trailers) return client.reset(code);
  flow.down.trailers = trailers;
  client.end(trailers);
  client.abandonRequest();
}

/** Sends an answer of ours, after the request's body was read for the record as far as patience goes. */
export class Refusal {
  readonly #flow: HttpFlow;
  readonly #client: ClientExchange;
  readonly #ending: Ending;
  readonly #finish: (ending: Ending) => void;
  #timer: NodeJS.Timeout | null = null;
  #size = 0;
  #over = false;

  /** @param finish is called once, just before the answer is sent. */
  constructor(flow: HttpFlow, client: ClientExchange, ending: Ending, finish: (ending: Ending) => void) {
    this.#flow = flow;
    this.#client = client;
    this.#ending = ending;
    this.#finish = finish;
  }

  begin(requestEnded: boolean): void {
    // A client that expects 100 (Continue) sends no body before it has been answered (RFC 9110, section 10.1.1).
    if (requestEnded || this.#client.head.headers.has('expect')) return this.answer();
    this.#timer = setTimeout(() => this.answer(), PATIENCE_MS);
    this.#client.start();
  }

  sawBody(bytes: number): void {
    this.#size += bytes;
    if (this.#size > PATIENCE_BYTES) this.answer();
  }

  answer(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#timer) clearTimeout(this.#timer);
    const client = this.#client;
    const { head, body } = this.#ending.answer;
    const shown = body.length > 0 && client.head.method !== 'HEAD';
    this.#flow.response = head;
    this.#flow.responseStarted = performance.now();
    if (shown) this.#flow.down.pass(body);
    this.#finish(this.#ending);
    client.respond(responseFor(head, client.head.httpVersion));
    if (shown) client.write(body);
    client.end(null);
    client.abandonRequest();
  }
}
