/** Makes the record of a flow from the marks that it left on its way. */
import type { MentuError } from '../errors.ts';
import type { FlowResponse } from '../flow.ts';
import type { Headers } from '../headers.ts';
import type { Verdict } from '../decision.ts';
import type { CapturedConnection } from '../flows/captured-connection.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import {
  RECORD_VERSION,
  type BodyRecord,
  type FlowKind,
  type FlowRecord,
  type HeaderPairs,
  type Outcome,
  type PolicyRecord,
  type ResponseRecord,
  type TimingRecord,
  type UpstreamRecord,
  type ViolationRecord,
} from '../record.ts';
import type { LinkFacts } from '../upstream/opening.ts';

export const NO_BODY: BodyRecord = Object.freeze({
  body: null,
  body_encoding: null,
  body_size: 0,
  body_sha256: null,
  body_truncated: false,
  body_file: null,
  body_decoded: [],
});

const NOT_ASCII = /[\x80-\xff]/;

export function httpRecord(
  jobId: string,
  flow: HttpFlow,
  end: { outcome: Outcome; error: MentuError | null; request: BodyRecord; response: BodyRecord; violation: ViolationRecord | null },
): FlowRecord {
  const { connection, request, response, upstream } = flow;
  const total = milliseconds(flow.started, flow.ended);
  return {
    version: RECORD_VERSION,
    id: flow.id,
    job_id: jobId,
    kind: flow.kind,
    timestamp: new Date(flow.startedAt).toISOString(),
    outcome: end.outcome,
    error: errorRecord(end.error),
    request: {
      method: request.method,
      url: request.url,
      http_version: request.httpVersion,
      headers: readablePairs(request.headers),
      trailers: flow.up.trailers ? readablePairs(flow.up.trailers) : [],
      ...end.request,
    },
    response: response && responseRecord(flow, response, end.response),
    latency_ms: total,
    tls_sni: connection.clientHello?.sni ?? null,
    http_version: request.httpVersion,
    tls: clientTlsRecord(connection),
    client: { ...connection.client },
    server: serverOf(connection),
    upstream: upstream && upstreamRecord(upstream, flow.upstreamReused),
    connection_id: connection.id,
    bytes: { up: end.request.body_size + flow.tunnelled.up, down: end.response.body_size + flow.tunnelled.down },
    timing: timingOf(flow, total),
    policy: policyRecord(flow.verdict),
    violation: end.violation,
    annotations: {},
  };
}

/** A connection without a request: it failed, said nothing, or was relayed undecrypted. */
export function connectionRecord(
  jobId: string,
  id: string,
  connection: CapturedConnection,
  end: { kind: FlowKind; outcome: Outcome; error: MentuError | null; bytes: { up: number; down: number }; violation: ViolationRecord | null; upstream?: UpstreamRecord | null; timing?: Partial<TimingRecord> },
): FlowRecord {
  const total = milliseconds(connection.started, performance.now());
  return {
    version: RECORD_VERSION,
    id,
    job_id: jobId,
    kind: end.kind,
    timestamp: new Date(connection.startedAt).toISOString(),
    outcome: end.outcome,
    error: errorRecord(end.error),
    request: null,
    response: null,
    latency_ms: total,
    tls_sni: connection.clientHello?.sni ?? null,
    http_version: null,
    tls: clientTlsRecord(connection),
    client: { ...connection.client },
    server: serverOf(connection),
    upstream: end.upstream ?? null,
    connection_id: connection.id,
    bytes: end.bytes,
    timing: { ...openingTiming(end.timing), send: null, wait: null, receive: null, total },
    policy: policyRecord(connection.verdict ?? connection.allowance),
    violation: end.violation,
    annotations: {},
  };
}

function openingTiming({ dns, connect, tls }: Partial<TimingRecord> = {}): Pick<TimingRecord, 'dns' | 'connect' | 'tls'> {
  const shown = (ms: number | null | undefined): number | null => (ms == null ? null : rounded(ms));
  return { dns: shown(dns), connect: shown(connect), tls: shown(tls) };
}

function responseRecord(flow: HttpFlow, response: FlowResponse, body: BodyRecord): ResponseRecord {
  return {
    status: response.status,
    status_text: response.statusText,
    http_version: response.httpVersion,
    headers: readablePairs(response.headers),
    trailers: flow.down.trailers ? readablePairs(flow.down.trailers) : [],
    informational: flow.informational.map(({ status, headers }) => ({ status, headers: readablePairs(headers) })),
    ...body,
  };
}

/** Header bytes beyond ASCII travel as latin1; where they are UTF-8 they are shown as the text they mean. */
function readablePairs(headers: Headers): HeaderPairs {
  const pairs = headers.pairs();
  for (const pair of pairs) {
    if (!NOT_ASCII.test(pair[1])) continue;
    const text = Buffer.from(pair[1], 'latin1').toString('utf8');
    if (!text.includes('\ufffd')) pair[1] = text;
  }
  return pairs;
}

/** A copy for each record, which plugins may change. */
function clientTlsRecord({ tlsRecord }: CapturedConnection): FlowRecord['tls'] {
  return tlsRecord && { ...tlsRecord, client_certificate: tlsRecord.client_certificate && { ...tlsRecord.client_certificate } };
}

function serverOf(connection: CapturedConnection): FlowRecord['server'] {
  const { name, address, port } = connection.destination;
  return { name, address, port };
}

export function upstreamRecord(facts: LinkFacts, reused: boolean): UpstreamRecord {
  const { tls } = facts;
  const copied = tls && { ...tls, peer_certificate: tls.peer_certificate && { ...tls.peer_certificate }, client_certificate: tls.client_certificate && { ...tls.client_certificate } };
  return { address: facts.address, port: facts.port, http_version: facts.httpVersion, reused, tls: copied };
}

function timingOf(flow: HttpFlow, total: number): TimingRecord {
  const dialled = flow.upstream && !flow.upstreamReused ? flow.upstream.timing : null;
  const { sendStarted, sendEnded, responseStarted, ended } = flow;
  // A response may begin before the request is sent whole: then there is nothing to wait for.
  const sent = sendStarted === 0 ? 0 : sendEnded === 0 ? responseStarted || ended : sendEnded;
  return {
    dns: dialled?.dns == null ? null : rounded(dialled.dns),
    connect: dialled ? rounded(dialled.connect) : null,
    tls: dialled?.tls == null ? null : rounded(dialled.tls),
    send: sendStarted === 0 ? null : milliseconds(sendStarted, sent),
    wait: sent === 0 || responseStarted === 0 ? null : milliseconds(sent, responseStarted),
    receive: responseStarted === 0 ? null : milliseconds(responseStarted, ended),
    total,
  };
}

function policyRecord(verdict: Verdict | undefined): PolicyRecord | null {
  if (!verdict) return null;
  const record: PolicyRecord = { decision: verdict.action, by: verdict.by, rule: verdict.rule };
  if (verdict.action === 'allow' && verdict.wouldDeny) record.would_deny = true;
  return record;
}

function errorRecord(error: MentuError | null): FlowRecord['error'] {
  return error && { code: error.code, message: error.message };
}

function milliseconds(from: number, to: number): number {
  return to > from ? rounded(to - from) : 0;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
