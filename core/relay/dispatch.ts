/** The way of a request to its upstream: it waits for a connection, and is sent once more where a kept one had just gone. */
import { MentuError } from '../errors.ts';
import type { FlowRequest } from '../flow.ts';
import { isToken } from '../headers.ts';
import { splitAuthority } from '../names/authority.ts';
import type { UpstreamLink } from '../upstream/link.ts';
import type { LinkFacts } from '../upstream/opening.ts';
import type { RequestHead, UpstreamEvents, UpstreamExchange } from '../exchange.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import { HELD_BY_PEER } from '../flows/tee.ts';
import { HTTP1_REQUIRED, REFUSED } from '../http2/reset.ts';
import { isPath } from './route.ts';
import { requestFor } from './translation.ts';

/** Methods whose requests may be sent again (RFC 9110, section 9.2.2), where no body has been spent. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
/** How often a request is sent anew that the upstream says it has not processed. */
const MAX_REFUSALS = 3;

export class Dispatch {
  readonly #flow: HttpFlow;
  readonly #head: RequestHead;
  readonly #toProxy: boolean;
  /** The request as the upstream got it; null until then. */
  #sent: RequestHead | null = null;
  #way: UpstreamLink | null = null;
  #overHttp1 = false;
  #waiting = false;
  #repeated = false;
  #refusals = 0;

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
    const fault = takeEdits(this.#head, request);
    if (fault !== null) return events.onUpstreamError(new MentuError('decision_failed', { plugin: this.#flow.tappedBy, reason: fault }), false);
    this.#waiting = true;
    this.#way = this.#overHttp1 ? link.overHttp1() : link;
    this.#way.dispatch(this.#onConnection, events, ready);
  }

  /** True where the request is to be sent again. @param untouched not a byte of an answer has come. @param code the upstream's reset. */
  repeats(untouched: boolean, code: number | undefined): boolean {
    this.#waiting = false;
    const { upstreamReused, request, up } = this.#flow;
    // Whatever its method (RFC 9113, section 8.7), where no byte of its body is spent.
    if (code === REFUSED && untouched && up.size === 0) {
      // The client was told to go on; its body waits until there is an exchange to take it.
      if (this.#head.hasBody) up.hold(HELD_BY_PEER);
      return ++this.#refusals <= MAX_REFUSALS;
    }
    // A WebSocket may be had by an upgrade where the upstream takes no extended CONNECT.
    if (code === HTTP1_REQUIRED && untouched && this.#sent?.protocol && !this.#overHttp1) return (this.#overHttp1 = true);
    if (!untouched || !upstreamReused || this.#repeated || this.#head.hasBody || !REPEATABLE.has(request.method)) return false;
    return (this.#repeated = true);
  }

  /** Gives up waiting for a connection. */
  cancel(events: UpstreamEvents): void {
    if (this.#waiting) this.#way?.cancel(events);
  }

  /** The exchange is complete, which may make room for another. */
  freed(): void {
    this.#way?.freed();
  }

  /** The connection or stream is another protocol's now. The request as the upstream got it, null where it had not. */
  upgraded(): RequestHead | null {
    this.freed();
    return this.#sent;
  }

  readonly #onConnection = (facts: LinkFacts, reused: boolean): RequestHead => {
    const flow = this.#flow;
    this.#waiting = false;
    flow.upstream = facts;
    flow.upstreamReused = reused;
    flow.sendStarted = performance.now();
    return (this.#sent = requestFor(this.#head, facts.httpVersion, this.#toProxy));
  };
}

/** Takes over what plugins have changed of the request line; what is wrong with it, or null. */
function takeEdits(head: RequestHead, { method, authority, path }: FlowRequest): string | null {
  if (method !== head.method && !isToken(method)) return `${JSON.stringify(method)} is no method`;
  if (path !== head.path && !isPath(path)) return `${JSON.stringify(path)} is no path`;
  if (authority !== head.authority) {
    if (!splitAuthority(authority)) return `${JSON.stringify(authority)} is no authority`;
    if (head.headers.has('host')) head.headers.set('host', authority);
  }
  head.method = method;
  head.authority = authority;
  head.path = path;
  return null;
}
