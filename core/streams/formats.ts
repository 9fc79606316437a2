/** The formats of streamed bodies that we can read. A new one is a file, and a line here. */
import type { HttpFlow } from '../flows/http-flow.ts';
import type { CaptureSettings } from '../recorder/body-capture.ts';
import { eventStream } from './event-stream.ts';
import type { StreamFormat } from './format.ts';
import { grpc } from './grpc.ts';
import { lines } from './lines.ts';

const FORMATS: readonly StreamFormat[] = [grpc, eventStream, lines];

/** Called once for each request head. @param settings null where nothing is recorded: then nobody reads. */
export function readRequest(flow: HttpFlow, settings: CaptureSettings | null): void {
  if (settings) for (const format of FORMATS) format.onRequest?.(flow, settings);
}

/** Called once for each head of a response that has a body. */
export function readResponse(flow: HttpFlow, settings: CaptureSettings | null): void {
  if (settings) for (const format of FORMATS) format.onResponse?.(flow, settings);
}
