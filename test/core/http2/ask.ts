/** One request of a client of HTTP/2, and its whole answer. */
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { soon } from '../../stage/wire.ts';

export interface Answer {
  readonly status: number;
  readonly raw: string[];
  readonly body: string;
  readonly trailers: string[];
  readonly informational: [number, string[]][];
}

/** Sends a request and reads the whole answer. */
export async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders | string[], body: string | null = null, trailers: OutgoingHttpHeaders | null = null): Promise<Answer> {
  const named = Array.isArray(headers) ? headers : { ':authority': 'api.test', ...headers };
  const stream = session.request(named as OutgoingHttpHeaders, { endStream: body === null, waitForTrailers: trailers !== null });
  if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== null) stream.end(body);
  return soon('the answer', answerOf(stream));
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const informational: [number, string[]][] = [];
  let trailers: string[] = [];
  let body = '';
  stream.on('headers', (_headers, _flags, raw) => void informational.push([Number((raw as unknown as string[])[1]), (raw as unknown as string[]).slice(2)]));
  stream.on('trailers', (_headers, _flags, raw) => void (trailers = raw as unknown as string[]));
  stream.setEncoding('latin1').on('data', (chunk: string) => (body += chunk));
  const [headers, , raw] = (await once(stream, 'response')) as [IncomingHttpHeaders, number, string[]];
  if (!stream.readableEnded) await once(stream, 'end');
  return { status: Number(headers[':status']), raw, body, trailers, informational };
}
