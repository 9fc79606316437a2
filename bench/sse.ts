/** How much later an event arrives: from the origin's write to the client's read, while each event waits for the acknowledgement of the last. */
import { once } from 'node:events';
import { request, type Agent, type IncomingMessage } from 'node:http';
import { HOST } from './origin.ts';
import { percentile } from './statistics.ts';
import type { SseOrigin } from './sse-origin.ts';
import { agentOver, openTunnel } from './tunnel.ts';

const EVENTS = 300;
/** The first events warm the path up. */
const WARM_UP = 50;
/** An event that has not come by then is held back, not late. Milliseconds. */
const STALLED = 3000;

export interface SseResult {
  /** Events that came, of `EVENTS`. */
  readonly events: number;
  /** Milliseconds from the origin's write to the client's read; NaN where the stream stalled. */
  readonly p50: number;
  readonly p99: number;
  readonly failure: string | null;
}

export async function measureSse(origin: SseOrigin, proxyPort: number | null): Promise<SseResult> {
  const streaming = agentOver(await openTunnel(proxyPort, origin.port));
  const answering = agentOver(await openTunnel(proxyPort, origin.port));
  const delays: number[] = [];
  try {
    const head = ask(streaming, 'GET', '/events');
    const response = await withLimit(head);
    if (response === null) return stalled(0);
    let seen = 0;
    let text = '';
    const chunks = response.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
    while (seen < EVENTS) {
      const chunk = await withLimit(chunks.next());
      if (chunk === null || chunk.done) return stalled(seen);
      text += chunk.value;
      if (!text.endsWith('\n\n')) continue;
      text = '';
      delays.push(performance.now() - origin.sentAt);
      seen++;
      if (seen === EVENTS) break;
      const answer = await withLimit(ask(answering, 'POST', '/acknowledge'));
      if (answer === null || answer.statusCode !== 204) return stalled(seen);
      answer.resume();
    }
    (await ask(answering, 'POST', '/end')).resume();
    const measured = delays.slice(WARM_UP);
    return { events: seen, p50: percentile(measured, 50), p99: percentile(measured, 99), failure: null };
  } finally {
    streaming.destroy();
    answering.destroy();
  }
}

function stalled(events: number): SseResult {
  return { events, p50: Number.NaN, p99: Number.NaN, failure: `stalled after ${events} of ${EVENTS} events` };
}

async function ask(agent: Agent, method: string, path: string): Promise<IncomingMessage> {
  const message = request({ agent, host: HOST, method, path, headers: { host: HOST, 'content-length': 0 } });
  message.end();
  const [response] = (await once(message, 'response')) as [IncomingMessage];
  return response;
}

async function withLimit<T>(promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), STALLED)));
  promise.catch(() => {});
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
