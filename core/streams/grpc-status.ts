/** What gRPC says in fields: its media types, its status, and the message beside it. */

/** By their numbers. */
const NAMES = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
] as const;
const LONGEST_MESSAGE = 16 * 1024;
const MEDIA_TYPE = /^application\/(grpc(?:-web(?:-text)?)?)(?:\+[\w.-]+)?$/;

export type GrpcFormat = 'grpc' | 'grpc-web' | 'grpc-web-text';

/** @param mediaType without parameters, in lower case. */
export function grpcFormat(mediaType: string): GrpcFormat | null {
  return (MEDIA_TYPE.exec(mediaType)?.[1] ?? null) as GrpcFormat | null;
}

export function grpcStatusNumber(name: (typeof NAMES)[number]): number {
  return NAMES.indexOf(name);
}

export interface GrpcStatus {
  readonly status: number;
  readonly status_name: string | null;
  readonly status_message: string | null;
}

/** @param get the value of a field, by its name in lower case. Null where there is no status, or none that is a number. */
export function grpcStatus(get: (name: string) => string | undefined): GrpcStatus | null {
  const text = get('grpc-status')?.trim();
  if (text === undefined || !/^\d{1,9}$/.test(text)) return null;
  const message = get('grpc-message');
  const status = Number(text);
  return { status, status_name: NAMES[status] ?? null, status_message: message === undefined ? null : percentDecoded(message.slice(0, LONGEST_MESSAGE)) };
}

/** For `grpc-message`: printable ASCII save `%` as it is, all else as the bytes of its UTF-8. */
export function percentEncoded(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    encoded += byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** What is no escape stays as it is. */
function percentDecoded(text: string): string {
  if (!text.includes('%')) return Buffer.from(text, 'latin1').toString('utf8');
  const bytes = text.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
