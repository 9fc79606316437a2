/**
 * The flow record: one JSON object on one line of `flows.jsonl`, exactly one for every flow.
 * `schemas/flow.json`, its JSON Schema, describes each field. Times are milliseconds,
 * sizes are bytes, `timestamp` is RFC 3339 in UTC.
 */
import type { ClientCertificateRecord, PeerCertificateRecord, RecordParts } from './record-parts.ts';

export const RECORD_VERSION = 1;

/**
 * `http`: an exchange. `websocket`: an exchange that became a WebSocket. `tls`: TLS that was not decrypted. `tcp`: bytes
 * that are neither. `dns`: a name look-up. `udp`: datagrams that are no protocol of ours.
 */
export type FlowKind = 'http' | 'websocket' | 'tls' | 'tcp' | 'dns' | 'udp';

/** How a flow ended. Each flow has exactly one outcome. */
export type Outcome = 'completed' | 'denied' | 'aborted' | 'failed';

export type HeaderPairs = [name: string, value: string][];

export interface BodyRecord {
  /** Text, or base64 of the (decoded) bytes; `null` where there was none or none is kept. */
  body: string | null;
  body_encoding: 'utf8' | 'base64' | null;
  /** Bytes of the body on the wire, before any decoding, after transfer coding. */
  body_size: number;
  /** SHA-256 of those bytes in hex; `null` where there was no body or redaction left it out. */
  body_sha256: string | null;
  /** True where `body` holds only the beginning. */
  body_truncated: boolean;
  /** `bodies/<sha256>` where the whole body lies there. */
  body_file: string | null;
  /** Content codings undone for reading, outermost first: gzip, deflate, br, zstd. */
  body_decoded: string[];
}

export interface RequestRecord extends BodyRecord {
  method: string;
  url: string;
  http_version: string;
  headers: HeaderPairs;
  trailers: HeaderPairs;
}

export interface ResponseRecord extends BodyRecord {
  status: number;
  status_text: string;
  http_version: string;
  headers: HeaderPairs;
  trailers: HeaderPairs;
  /** 1xx answers that came before, in order. */
  informational: { status: number; headers: HeaderPairs }[];
}

export interface ClientTlsRecord {
  sni: string | null;
  version: string | null;
  cipher: string | null;
  alpn: string | null;
  ja4: string | null;
  /** `present` where the client sent encrypted_client_hello, real or GREASE; else `absent`. */
  ech: 'present' | 'absent';
  /** What the client showed of itself, where it was asked to (`interceptor.clientAuth`). */
  client_certificate: ClientCertificateRecord | null;
}

export interface UpstreamTlsRecord {
  version: string | null;
  cipher: string | null;
  alpn: string | null;
  peer_certificate: PeerCertificateRecord | null;
  /** The certificate that stood ready for the server to ask for (`interceptor.clientCertificates`). */
  client_certificate: { subject: string; sha256: string } | null;
}

export interface UpstreamRecord {
  address: string;
  port: number;
  http_version: string | null;
  /** True where the flow used a connection that an earlier flow had opened. */
  reused: boolean;
  tls: UpstreamTlsRecord | null;
}

/** Milliseconds; `null` where the step did not take place in this flow. */
export interface TimingRecord {
  dns: number | null;
  connect: number | null;
  tls: number | null;
  send: number | null;
  wait: number | null;
  receive: number | null;
  total: number;
}

export interface PolicyRecord {
  decision: 'allow' | 'deny' | 'answer' | 'passthrough';
  /** The plugin that decided; `core` for the dialler. */
  by: string;
  /** The rule in the words of the profile, such as `deniedDomains: *.example.com`. */
  rule: string;
  /** In an auditing preset: the lists would have denied it. */
  would_deny?: boolean;
}

export interface ViolationRecord {
  /** `vio_…`, also sent to the client in `x-mentu-violation`. */
  id: string;
  code: string;
  rule: string;
  /** The name (or address) that broke the rule. */
  host: string;
  by: string;
}

export interface FlowRecord extends RecordParts {
  version: typeof RECORD_VERSION;
  id: string;
  job_id: string;
  kind: FlowKind;
  timestamp: string;
  outcome: Outcome;
  error: { code: string; message: string } | null;
  /** `null` for a connection that ended before any request. */
  request: RequestRecord | null;
  response: ResponseRecord | null;
  latency_ms: number;
  tls_sni: string | null;
  http_version: string | null;
  tls: ClientTlsRecord | null;
  client: { address: string; port: number };
  /** Where the client wanted to go. */
  server: { name: string | null; address: string | null; port: number };
  upstream: UpstreamRecord | null;
  connection_id: string;
  bytes: { up: number; down: number };
  timing: TimingRecord;
  policy: PolicyRecord | null;
  violation: ViolationRecord | null;
  annotations: Record<string, Record<string, unknown>>;
}
