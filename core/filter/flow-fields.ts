/**
 * A flow as a flat object: the names under which filters, signals and lists know its parts.
 * `docs/cir.md` documents them. What a flow does not have is left out.
 */
import { sameName } from '../headers.ts';
import type { FlowRecord } from '../record.ts';

/** Milliseconds and bytes, as in the record. Further fields are the plugins' (see `flowFields`). */
export interface FlowFields {
  flow: string;
  job: string;
  kind: string;
  /** The application protocol: `http/1.1`, `http/2`, `websocket`, `ssh`; the kind where none was spoken, or none is known. */
  protocol: string;
  outcome: string;
  /** A code of the table of errors. */
  error: string | undefined;
  error_message: string | undefined;
  method: string | undefined;
  url: string | undefined;
  scheme: string | undefined;
  /** In lower case, without port. */
  host: string | undefined;
  port: number;
  /** Without the query. */
  path: string | undefined;
  status: number | undefined;
  http_version: string | undefined;
  /** The media type of the response, without parameters, in lower case. */
  content_type: string | undefined;
  request_content_type: string | undefined;
  latency_ms: number;
  bytes_up: number;
  bytes_down: number;
  request_size: number | undefined;
  response_size: number | undefined;
  request_sha256: string | undefined;
  response_sha256: string | undefined;
  sni: string | undefined;
  tls_version: string | undefined;
  tls_cipher: string | undefined;
  ja4: string | undefined;
  /** The address that was dialled by us. */
  upstream: string | undefined;
  reused: boolean | undefined;
  connection: string;
  decision: string | undefined;
  decided_by: string | undefined;
  rule: string | undefined;
  would_deny: boolean | undefined;
  violation: string | undefined;
  /** Messages of a WebSocket, a gRPC call or a stream of events. */
  messages_up: number | undefined;
  messages_down: number | undefined;
  grpc_service: string | undefined;
  grpc_method: string | undefined;
  /** Such as `OK`. */
  grpc_status: string | undefined;
  /** The type of the question, such as `A`. */
  dns_type: string | undefined;
  /** Such as `NOERROR`. */
  dns_code: string | undefined;
  timing: Readonly<Record<string, number | undefined>>;
  annotations: FlowRecord['annotations'] | undefined;
  [annotation: string]: unknown;
}

/** The names of `FlowFields`, for hints and completion. */
export const FLOW_FIELD_NAMES: readonly string[] = [
  'flow', 'job', 'kind', 'protocol', 'outcome', 'error', 'error_message', 'method', 'url', 'scheme', 'host', 'port', 'path', 'status',
  'http_version', 'content_type', 'request_content_type', 'latency_ms', 'bytes_up', 'bytes_down', 'request_size', 'response_size', 'request_sha256',
  'response_sha256', 'sni', 'tls_version', 'tls_cipher', 'ja4', 'upstream', 'reused', 'connection', 'decision', 'decided_by',
  'rule', 'would_deny', 'violation', 'messages_up', 'messages_down', 'grpc_service', 'grpc_method', 'grpc_status', 'dns_type', 'dns_code', 'timing', 'annotations',
];

/** Where the record of a recipe's flow notes its step: the name of no plugin. */
export const STEP_ANNOTATION = 'recipe';

/** Fields of the flows that a step of a recipe made. */
export const STEP_FIELD_NAMES: readonly string[] = ['recipe', 'run', 'step'];

/**
 * The fields of a flow. A plain value (text, number, boolean) that a plugin annotated is also a field
 * under its own key, unless a field of the flow or an earlier plugin has that name: `class=auth` asks
 * for `annotations.<plugin>.class`. The step of a recipe goes before all plugins.
 */
export function flowFields(record: FlowRecord): FlowFields {
  const { request, response, tls, timing, policy, upstream, server } = record;
  const url = request === null ? undefined : splitUrl(request.url);
  const messages = record.websocket ?? record.grpc ?? record.events;
  const fields: FlowFields = {
    flow: record.id,
    job: record.job_id,
    kind: record.kind,
    protocol: protocolOf(record),
    outcome: record.outcome,
    error: record.error?.code,
    error_message: record.error?.message,
    method: request?.method,
    url: request?.url,
    scheme: url?.scheme,
    host: url?.host ?? server.name ?? record.tls_sni ?? server.address ?? undefined,
    port: server.port,
    path: url?.path,
    status: response?.status,
    http_version: record.http_version ?? undefined,
    content_type: response === null ? undefined : mediaType(response.headers),
    request_content_type: request === null ? undefined : mediaType(request.headers),
    latency_ms: record.latency_ms,
    bytes_up: record.bytes.up,
    bytes_down: record.bytes.down,
    request_size: request?.body_size,
    response_size: response?.body_size,
    request_sha256: request?.body_sha256 ?? undefined,
    response_sha256: response?.body_sha256 ?? undefined,
    sni: record.tls_sni ?? undefined,
    tls_version: tls?.version ?? undefined,
    tls_cipher: tls?.cipher ?? undefined,
    ja4: tls?.ja4 ?? undefined,
    upstream: upstream === null ? undefined : upstream.address,
    reused: upstream?.reused,
    connection: record.connection_id,
    decision: policy?.decision,
    decided_by: policy?.by,
    rule: policy?.rule,
    would_deny: policy?.would_deny,
    violation: record.violation?.id,
    messages_up: messages?.message_count.up,
    messages_down: messages?.message_count.down,
    grpc_service: record.grpc?.service,
    grpc_method: record.grpc?.method,
    grpc_status: record.grpc?.status_name ?? undefined,
    dns_type: record.dns?.type,
    dns_code: record.dns?.code ?? undefined,
    timing: {
      dns: timing.dns ?? undefined,
      connect: timing.connect ?? undefined,
      tls: timing.tls ?? undefined,
      send: timing.send ?? undefined,
      wait: timing.wait ?? undefined,
      receive: timing.receive ?? undefined,
      total: timing.total,
    },
    annotations: undefined,
  };
  const step = record.annotations[STEP_ANNOTATION];
  if (step !== undefined) liftAnnotations(fields, step);
  for (const plugin in record.annotations) {
    fields.annotations = record.annotations;
    liftAnnotations(fields, record.annotations[plugin]!);
  }
  return fields;
}

/** What was spoken, as lists and counts name it. */
export function protocolOf(record: FlowRecord): string {
  if (record.kind === 'websocket') return record.kind;
  if (record.http_version !== null) return `http/${record.http_version}`;
  return record.tcp?.protocol ?? record.kind;
}

function liftAnnotations(fields: FlowFields, annotations: Readonly<Record<string, unknown>>): void {
  for (const key in annotations) {
    const value = annotations[key];
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') continue;
    if (key in fields) continue;
    fields[key] = value;
  }
}

interface UrlParts {
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
}

/** Splits a URL of the record; undefined where it has no authority. A third of the time of `new URL`. */
function splitUrl(url: string): UrlParts | undefined {
  const authorityAt = url.indexOf('://') + 3;
  if (authorityAt < 3) return undefined;
  let pathAt = authorityAt;
  for (; pathAt < url.length; pathAt++) {
    const char = url.charCodeAt(pathAt);
    if (char === 0x2f || char === 0x3f || char === 0x23) break;
  }
  let authority = url.slice(authorityAt, pathAt);
  const userEnd = authority.lastIndexOf('@');
  if (userEnd >= 0) authority = authority.slice(userEnd + 1);
  const portAt = authority.lastIndexOf(':');
  // A colon inside brackets belongs to an IPv6 address.
  const host = portAt > authority.lastIndexOf(']') ? authority.slice(0, portAt) : authority;
  const queryAt = url.indexOf('?', pathAt);
  return {
    scheme: url.slice(0, authorityAt - 3),
    host: host.toLowerCase(),
    path: (queryAt < 0 ? url.slice(pathAt) : url.slice(pathAt, queryAt)) || '/',
  };
}

/** The media type alone, in lower case (RFC 9110, section 8.3.1). */
function mediaType(headers: readonly (readonly [string, string])[]): string | undefined {
  for (const [name, value] of headers) {
    if (!sameName(name, 'content-type')) continue;
    const parametersAt = value.indexOf(';');
    return (parametersAt < 0 ? value : value.slice(0, parametersAt)).trim().toLowerCase();
  }
  return undefined;
}
