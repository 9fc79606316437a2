/**
 * Answers of our own to gRPC: a response of HTTP 200 without messages, whose status says what happened ("Trailers-Only").
 * A client of gRPC reads nothing else, and would make UNKNOWN or INTERNAL of a 403.
 */
import { MentuError, statusOf } from '../errors.ts';
import type { FlowRequest } from '../flow.ts';
import { Headers } from '../headers.ts';
import { REFUSED } from '../http2/reset.ts';
import type { ViolationRecord } from '../record.ts';
import { grpcFormat, grpcStatusNumber, percentEncoded } from '../streams/grpc-status.ts';
import { mediaTypeOf } from '../streams/media-type.ts';
import type { Answer } from './answer.ts';

/** Whether the client waits for a status of gRPC. */
export function isGrpc(request: FlowRequest): boolean {
  return grpcFormat(mediaTypeOf(request.headers)) !== null;
}

/**
 * Whether a client would rather hear the upstream's own reset than an answer of ours: gRPC makes a status of it, and who
 * speaks HTTP/2 or later knows from REFUSED_STREAM that the request may be sent again.
 */
export function passesReset(request: FlowRequest, code: number | undefined): boolean {
  return code !== undefined && !request.httpVersion.startsWith('1') && (code === REFUSED || isGrpc(request));
}

/** What ends a call whose connection broke after its answer had begun: a client of gRPC would have made this of it. Null for any other client. */
export function lastWords(request: FlowRequest, error: MentuError): Headers | null {
  if (grpcFormat(mediaTypeOf(request.headers)) !== 'grpc' || request.httpVersion.startsWith('1')) return null;
  return Headers.from(statusFields('UNAVAILABLE', `${error.code}: ${error.message}`));
}

/** Names the rule and not the address, as every denial does. */
export function grpcDenial(request: FlowRequest, violation: ViolationRecord): Answer {
  return grpcAnswer(request, 'PERMISSION_DENIED', `${violation.code}: ${violation.host} by ${violation.rule}`, ['x-mentu-violation', violation.id]);
}

export function grpcFailure(request: FlowRequest, error: MentuError): Answer {
  // A request that is malformed stays so however often it is sent.
  const status = statusOf(error.code) === 400 ? 'INTERNAL' : 'UNAVAILABLE';
  return grpcAnswer(request, status, `${error.code}: ${error.message}`, ['x-mentu-error', error.code]);
}

type StatusName = Parameters<typeof grpcStatusNumber>[0];

function statusFields(status: StatusName, message: string): [string, string][] {
  return [['grpc-status', String(grpcStatusNumber(status))], ['grpc-message', percentEncoded(message)]];
}

function grpcAnswer(request: FlowRequest, status: StatusName, message: string, field: readonly [string, string]): Answer {
  const headers = Headers.from([['content-type', mediaTypeOf(request.headers)], ...statusFields(status, message), field]);
  if (request.httpVersion.startsWith('1')) headers.append('content-length', '0');
  return { head: { status: 200, statusText: 'OK', httpVersion: '1.1', headers, hasBody: false }, body: Buffer.alloc(0) };
}
