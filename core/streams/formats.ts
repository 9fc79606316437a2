/** The formats of streamed bodies that we can read. A new one is a file, and a line here. */
import type { HttpFlow } from '../flows/http-flow.ts';
import type { MessageWatchHost } from '../flows/message-watch.ts';
import type { CaptureSettings } from '../recorder/body-capture.ts';
import { BodyReader } from '../recorder/body-text.ts';
import { dnsOverHttps } from './dns-over-https.ts';
import { eventStream } from './event-stream.ts';
import type { Reading, StreamFormat } from './format.ts';
import { grpc } from './grpc.ts';
import { lines } from './lines.ts';
import { mediaTypeOf } from './media-type.ts';

const FORMATS: readonly StreamFormat[] = [grpc, eventStream, lines, dnsOverHttps];

/** The recorder is one. */
export interface StreamHost extends MessageWatchHost {
  /** Null where nothing is recorded. */
  readonly captureSettings: CaptureSettings | null;
}

/** Called once for each request head, after its taps. */
export function readRequest(flow: HttpFlow, host: StreamHost): void {
  const reading = readingOf(flow, host);
  if (!reading) return;
  const mediaType = mediaTypeOf(flow.request.headers);
  for (const format of FORMATS) format.onRequest?.(flow, mediaType, reading);
}

/** Called once for each head of a response that has a body, after its taps. */
export function readResponse(flow: HttpFlow, host: StreamHost): void {
  const reading = readingOf(flow, host);
  if (!reading) return;
  const mediaType = mediaTypeOf(flow.response!.headers);
  for (const format of FORMATS) format.onResponse?.(flow, mediaType, reading);
}

/** Null where nothing is recorded and nobody observes: then nobody reads. */
function readingOf(flow: HttpFlow, host: StreamHost): Reading | null {
  if (host.captureSettings) return { settings: host.captureSettings, host };
  if (!flow.messageTaps) return null;
  const limit = host.messageLimit;
  return { settings: { limit, keep: 'none', reader: new BodyReader(limit), store: null }, host };
}
