/**
 * An exchange that becomes another protocol: by `Upgrade` (RFC 9110, section 7.8) or by extended CONNECT (RFC 8441,
 * RFC 9220). Once the taps of `onResponse` have seen the answer, both sides' bytes pass as they are; a WebSocket is
 * read beside.
 */
import type { Duplex } from 'node:stream';
import { MentuError } from '../errors.ts';
import type { ClientExchange, RequestHead, ResponseHead } from '../exchange.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import type { FlowRecorder } from '../recorder/flow-recorder.ts';
import { acceptanceOf, isWebSocket } from '../websocket/handshake.ts';
import { WebSocketRecording } from '../websocket/recording.ts';
import { splice, type SpliceEnd, type SpliceTap } from './splice.ts';
import { upgradeFor, upgradeProtocols } from './translation.ts';

/** What is made of a byte that is read beside, before it is a line of the record: unmasked or gathered. */
const COPIES = 2;
const COMPLETED: SpliceEnd = { outcome: 'completed', error: null };

export class Upgrade {
  readonly #flow: HttpFlow;
  readonly #client: ClientExchange;
  readonly #recorder: FlowRecorder;
  readonly #head: ResponseHead;
  readonly #upstream: Duplex;
  readonly #done: (end: SpliceEnd) => void;
  #over = false;

  /** @param done is called once, when both sides are over. */
  constructor(flow: HttpFlow, client: ClientExchange, recorder: FlowRecorder, head: ResponseHead, upstream: Duplex, done: (end: SpliceEnd) => void) {
    this.#flow = flow;
    this.#client = client;
    this.#recorder = recorder;
    this.#head = head;
    this.#upstream = upstream;
    this.#done = done;
  }

  /** What is wrong with the answer, or null. @param sent the request as the upstream got it; null where it is not whole. */
  begin(sent: RequestHead | null): MentuError | null {
    const flow = this.#flow;
    const reason = faultOf(this.#client.head, sent, this.#head);
    if (reason !== null) {
      this.abort();
      return new MentuError('upstream_protocol_error', { host: flow.connection.host, reason });
    }
    flow.response = this.#head;
    flow.responseStarted = performance.now();
    if (isWebSocket(this.#client.head, this.#head)) flow.kind = 'websocket';
    this.#recorder.hooks.response(flow, () => this.#join());
    return null;
  }

  /** Breaks it off where nothing has been joined yet. */
  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#upstream.destroy();
  }

  #join(): void {
    if (this.#over) return;
    this.#over = true;
    const flow = this.#flow;
    const client = this.#client.detach(upgradeFor(this.#head, this.#client.head));
    if (!client) return void this.#upstream.destroy();
    if (flow.tunnel) {
      this.#done(COMPLETED);
      return flow.tunnel(client, this.#upstream);
    }
    const recording = flow.kind === 'websocket' ? WebSocketRecording.of(flow, this.#head, this.#recorder) : null;
    if (recording?.settings) flow.addPart(recording);
    const ended = (end: SpliceEnd): void => {
      this.#done(recording?.isClosed ? COMPLETED : end);
      recording?.close();
    };
    splice(client, this.#upstream, flow.connection.host, flow.tunnelled, ended, this.#reclaiming(recording));
  }

  #reclaiming(tap: SpliceTap | null): SpliceTap {
    const { reclaimer } = this.#recorder;
    return {
      pass: (from, chunk) => {
        reclaimer.passed(tap === null ? chunk.length : COPIES * chunk.length);
        return tap === null || tap.pass(from, chunk);
      },
      set onDrain(drain: SpliceTap['onDrain']) {
        if (tap) tap.onDrain = drain;
      },
    };
  }
}

function faultOf(asked: RequestHead, sent: RequestHead | null, head: ResponseHead): string | null {
  if (!asked.wantsUpgrade) return 'it switched protocols unasked';
  if (sent === null) return 'it switched protocols before the request was whole';
  if (!head.httpVersion.startsWith('1')) return null;
  if (!asked.protocol) return asked.method === 'CONNECT' || answersOffer(sent, head) ? null : 'it switched to another protocol than was asked for';
  // The handshake of HTTP/1.1 is ours here: nobody else holds its answer against its question.
  if (head.headers.get('upgrade')?.toLowerCase() !== asked.protocol.toLowerCase()) return 'it switched to another protocol than was asked for';
  const key = sent.headers.get('sec-websocket-key');
  return key === undefined || head.headers.get('sec-websocket-accept') === acceptanceOf(key) ? null : 'its Sec-WebSocket-Accept does not answer the key';
}

/** Whether it says what it switches to, and that was offered: what a client asked for may not have been. */
function answersOffer(sent: RequestHead, head: ResponseHead): boolean {
  const offered = upgradeProtocols(sent.headers);
  const taken = upgradeProtocols(head.headers);
  return taken.length > 0 && taken.every((protocol) => offered.includes(protocol) && protocol !== 'h2c');
}
