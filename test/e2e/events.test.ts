/** An origin that sends event n+1 only after the guest has acknowledged event n: nothing may be held back on the way. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ServerHttp2Stream } from 'node:http2';
import { GUEST_NODE, Stage } from './stage/stage.ts';
import type { OriginResponse } from './stage/origin.ts';

const EVENTS = 200;
let stage: Stage;
let stream: OriginResponse | null = null;
/** How the origin's last stream was closed. */
let closed: 'by us' | 'by the client' | null = null;
/** The event after which the origin breaks its stream off. */
let breakOffAt: number | null = null;

/** Ends the connection under the stream without a goodbye. */
const breakOff = (): void => void ('stream' in stream! ? (stream.stream as ServerHttp2Stream).session!.socket : stream!.socket!).destroy();
const send = (number: number): void => void (stream as { write(text: string): boolean }).write(`data: ${number}\n\n`);

before(async () => {
  stage = await Stage.open((request, response) => {
    const [, kind, number] = request.url!.split('/');
    if (kind === 'events') {
      stream = response;
      closed = null;
      response.setHeader('content-type', 'text/event-stream');
      response.once('close', () => (closed ??= 'by the client'));
      send(0);
      return;
    }
    if (kind === 'closed') {
      response.end(closed ?? 'not yet');
      return;
    }
    response.end();
    const next = Number(number) + 1;
    if (breakOffAt === next) breakOff();
    else if (next < EVENTS) send(next);
    else {
      closed = 'by us';
      stream!.end();
    }
  });
  stage.profile();
});
after(() => stage.close());

const client = (http: string, events: number, abort = false): string[] => [GUEST_NODE, '/guest/acknowledge.mjs', http, 'https://api.demo.test', String(events), ...(abort ? ['abort'] : [])];
const textOf = (events: number): string => Array.from({ length: events }, (_, number) => `data: ${number}\n\n`).join('');

for (const http of ['1.1', '2'] as const) {
  test(`${EVENTS} events over HTTP/${http} never stall, and the flow is recorded when the stream ends`, { timeout: 50_000 }, async (t) => {
    const { code, stdout, stderr, flows } = await stage.workspace.job(['--profile', 'profile.json'], client(http, EVENTS));
    assert.deepEqual([code, stdout], [0, `${EVENTS} events\n`], stderr);
    assert.equal(closed, 'by us');
    const [flow, ...others] = flows.filter(({ request }) => request!.method === 'GET');
    assert.equal(others.length, 0);
    assert.deepEqual([flow!.outcome, flow!.http_version, flow!.response!.body, flow!.response!.body_truncated], ['completed', http, textOf(EVENTS), false]);
    const acknowledged = flows.filter(({ request }) => request!.method === 'POST');
    assert.equal(acknowledged.length, EVENTS);
    t.diagnostic(`${(flow!.latency_ms / EVENTS).toFixed(2)} ms for an event and its acknowledgement`);
  });

  test(`a client that breaks off over HTTP/${http} reaches the origin, and the flow says so`, { timeout: 50_000 }, async () => {
    // The guest lives on and asks: the end of the job would break the stream off as well.
    const ask = 'for _ in $(seq 60); do answer=$(curl -sS https://api.demo.test/closed); [ "$answer" = "not yet" ] || break; sleep 0.05; done; echo "$answer"';
    const { code, stdout, stderr, flows } = await stage.workspace.job(['--profile', 'profile.json'], ['bash', '-c', `"$@"; ${ask}`, 'bash', ...client(http, 20, true)]);
    assert.deepEqual([code, stdout], [0, 'by the client\n'], stderr);
    const flow = flows.find(({ request }) => request!.url.includes('/events/'))!;
    assert.deepEqual([flow.outcome, flow.error!.code, flow.response!.status, flow.response!.body], ['aborted', 'client_aborted', 200, textOf(20)]);
  });

  test(`an origin that breaks off over HTTP/${http} reaches the client, and the flow says so`, { timeout: 50_000 }, async () => {
    breakOffAt = 20;
    try {
      const { code, stderr, flows } = await stage.workspace.job(['--profile', 'profile.json'], client(http, EVENTS));
      assert.notEqual(code, 0, 'the client saw an error, not an end');
      assert.match(stderr, /ECONNRESET|aborted|ERR_HTTP2|socket hang up/);
      const flow = flows.find(({ request }) => request!.url.includes('/events/'))!;
      assert.deepEqual([flow.outcome, flow.error!.code, flow.response!.body], ['failed', 'upstream_aborted', textOf(20)]);
    } finally {
      breakOffAt = null;
    }
  });
}
