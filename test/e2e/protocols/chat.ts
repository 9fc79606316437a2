/** What the tests of WebSockets expect of a record, and how Chromium comes to one over HTTP/3. */
import assert from 'node:assert/strict';
import type { FlowRecord, WebSocketMessage } from '../../../core/index.ts';
import { chromiumArgs } from '../stage/chromium.ts';
import type { Job } from '../stage/workspace.ts';

/** The one WebSocket of a job, and how its messages read. */
export function chatOf({ flows }: Job): { flow: FlowRecord; said: (from: 'client' | 'server') => string[] } {
  const chats = flows.filter(({ kind }) => kind === 'websocket');
  assert.equal(chats.length, 1, JSON.stringify(flows.map(({ kind, outcome, error, request }) => ({ kind, outcome, error, url: request?.url }))));
  const flow = chats[0]!;
  assert.deepEqual([flow.outcome, flow.error, flow.websocket!.fault, flow.websocket!.messages_truncated], ['completed', null, null, false]);
  const brief = ({ opcode, data, size, data_truncated }: WebSocketMessage): string => {
    assert.equal(data_truncated, false);
    return `${opcode} ${size > 20 ? `${data!.length} long` : data}`;
  };
  return { flow, said: (from) => flow.websocket!.messages.filter((message) => message.from === from).map(brief) };
}

/** As a row has it. */
export function chatSummary({ websocket, http_version, upstream }: FlowRecord): string {
  const { messages, close } = websocket!;
  // A side that was told of the close may leave without an answer, so the answer is not counted.
  const [up, down] = (['client', 'server'] as const).map((side) => messages.filter(({ from, opcode }) => from === side && opcode !== 'close').length);
  const compressed = messages.some((message) => message.compressed) ? ', compressed' : '';
  return `HTTP/${http_version} and ${upstream!.http_version}, ${up} and ${down} messages${compressed}, close ${close!.code}`;
}

/** Off by default in Chromium, and only ever in a connection of HTTP/3 that stands. */
export const overHttp3 = (host: string): string[] => chromiumArgs(`https://${host}/page`, '/tmp/browser', `--origin-to-force-quic-on=${host}:443`, '--enable-features=EnableWebsocketsOverHttp3').filter((arg) => arg !== '--disable-quic');
