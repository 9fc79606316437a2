/** One request and its response: what hooks see of it, and the marks that its record is made from. */
import type { Duplex } from 'node:stream';
import type { Flow, FlowRequest, FlowResponse, Side } from '../flow.ts';
import type { Headers } from '../headers.ts';
import type { Verdict } from '../decision.ts';
import type { FlowKind } from '../record.ts';
import type { LinkFacts } from '../upstream/opening.ts';
import type { CapturedConnection } from './captured-connection.ts';
import type { RequestHead, ResponseHead } from '../exchange.ts';
import type { MessageObserver, MessageTap } from './message-watch.ts';
import type { RecordPart } from './record-part.ts';
import type { BodyObserver, Tee } from './tee.ts';

class HttpFlowRequest implements FlowRequest {
  method: string;
  readonly scheme: 'http' | 'https';
  authority: string;
  path: string;
  readonly httpVersion: string;
  readonly headers: Headers;

  constructor(head: RequestHead) {
    this.method = head.method;
    this.scheme = head.scheme;
    this.authority = head.authority;
    this.path = head.path;
    this.httpVersion = head.httpVersion;
    this.headers = head.headers;
  }

  get url(): string {
    return `${this.scheme}://${this.authority}${this.path === '*' ? '/*' : this.path}`;
  }
}

export class HttpFlow implements Flow {
  readonly id: string;
  /** `websocket` from the moment the exchange has become one. */
  kind: FlowKind = 'http';
  /** The plugin whose tap runs, or ran last. */
  tappedBy = '';
  readonly connection: CapturedConnection;
  readonly request: FlowRequest;
  response: FlowResponse | null = null;
  allowance: Verdict | undefined;
  readonly annotations: Record<string, Record<string, unknown>> = {};
  /** Each direction's body. */
  readonly up: Tee;
  readonly down: Tee;

  /** Date.now() of the request head. */
  readonly startedAt = Date.now();
  /** Marks on the clock of performance.now(), milliseconds; 0 where not reached. */
  readonly started = performance.now();
  sendStarted = 0;
  sendEnded = 0;
  responseStarted = 0;
  ended = 0;

  verdict: Verdict | undefined;
  readonly informational: ResponseHead[] = [];
  upstream: LinkFacts | null = null;
  upstreamReused = false;
  /** What the protocols inside of it add to its record; null where none does. */
  parts: RecordPart[] | null = null;
  /** Who observes its messages; null where nobody does. */
  messageTaps: MessageTap[] | null = null;
  /** Takes over the two sides of a tunnel that the flow has opened; null where it opens none. */
  tunnel: ((client: Duplex, upstream: Duplex) => void) | null = null;
  /** Bytes of an upgraded connection, which have no body. */
  readonly tunnelled = { up: 0, down: 0 };

  constructor(id: string, connection: CapturedConnection, head: RequestHead, up: Tee, down: Tee) {
    this.up = up;
    this.down = down;
    this.id = id;
    this.connection = connection;
    this.request = new HttpFlowRequest(head);
    this.allowance = connection.allowance;
  }

  addPart(part: RecordPart): void {
    (this.parts ??= []).push(part);
  }

  observe(side: Side, chunk: BodyObserver): void {
    (side === 'request' ? this.up : this.down).observe(this.tappedBy, chunk);
  }

  observeMessages(observe: MessageObserver): void {
    (this.messageTaps ??= []).push({ plugin: this.tappedBy, observe });
  }
}
