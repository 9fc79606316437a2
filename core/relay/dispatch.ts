/** The way of a request to its upstream: it waits for a connection, and is sent once more where a kept one had just gone. */
import { MentuError } from '../errors.ts';
import type { LinkFacts } from '../upstream/link.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from './exchange.ts';
import type { HttpFlow } from './http-flow.ts';
import { requestFor } from './translation.ts';

/** Methods whose requests may be sent again (RFC 9110, section 9.2.2), where no body has been spent. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

export class Dispatch {
  readonly #flow: HttpFlow;
  readonly #head: RequestHead;
  readonly #toProxy: boolean;
  #waiting = false;
  #repeated = false;

  constructor(flow: HttpFlow, head: RequestHead, toProxy: boolean) {
    this.#flow = flow;
    this.#head = head;
    this.#toProxy = toProxy;
  }

  /** Sends the head as the plugins have left it. Failures go to `events.onUpstreamError`. */
  begin(events: UpstreamEvents, ready: (exchange: UpstreamExchange) => void): void {
    const { request, connection } = this.#flow;
    const { link, failure } = connection;
    if (failure || !link) return events.onUpstreamError(failure ?? new MentuError('shutting_down'), false);
    const head = this.#head;
    head.method = request.method;
    head.authority = request.authority;
    head.path = request.path;
    this.#waiting = true;
    link.dispatch(this.#onConnection, events, ready);
  }

  /** True where the request is to be sent again. @param untouched not a byte of an answer has come. */
  repeats(untouched: boolean): boolean {
    this.#waiting = false;
    const { upstreamReused, request } = this.#flow;
    if (!untouched || !upstreamReused || this.#repeated || this.#head.hasBody || !REPEATABLE.has(request.method)) return false;
    return (this.#repeated = true);
  }

  /** Gives up waiting for a connection. */
  cancel(events: UpstreamEvents): void {
    if (this.#waiting) this.#flow.connection.link?.cancel(events);
  }

  readonly #onConnection = (facts: LinkFacts, reused: boolean): RequestHead => {
    const flow = this.#flow;
    this.#waiting = false;
    flow.upstream = facts;
    flow.upstreamReused = reused;
    flow.sendStarted = performance.now();
    return requestFor(this.#head, facts.httpVersion, this.#toProxy);
  };
}
