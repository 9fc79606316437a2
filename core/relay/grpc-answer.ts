/**
 * Answers of our own to gRPC: a response of HTTP 200 without messages, whose status says what happened ("Trailers-Only").
 * A client of gRPC reads nothing else, and would make UNKNOWN or INTERNAL of a 403.
 */
import { MentuError, statusOf } from '../errors.ts';
import type { FlowRequest } from '../flow.ts';
import { Headers } from '../headers.ts';
import type { ViolationRecord } from '../record.ts';
import { grpcFormat, grpcStatusNumber, percentEncoded } from '../streams/grpc-status.ts';
import { mediaTypeOf } from '../streams/media-type.ts';
import type { Answer } from './answer.ts';

/** Whether the client waits for a status of gRPC. */
export function isGrpc(request: FlowRequest): boolean {
  return grpcFormat(mediaTypeOf(request.headers)) !== null;
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

function grpcAnswer(request: FlowRequest, status: Parameters<typeof grpcStatusNumber>[0], message: string, field: readonly [string, string]): Answer {
  const headers = Headers.from([
    ['content-type', mediaTypeOf(request.headers)],
    ['grpc-status', String(grpcStatusNumber(status))],
    ['grpc-message', percentEncoded(message)],
    field,
  ]);
  if (request.httpVersion.startsWith('1')) headers.append('content-length', '0');
  return { head: { status: 200, statusText: 'OK', httpVersion: '1.1', headers, hasBody: false }, body: Buffer.alloc(0) };
}
