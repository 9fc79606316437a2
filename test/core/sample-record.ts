import type { RecordParts } from '../../core/record-parts.ts';
import { RECORD_VERSION, type FlowRecord, type RequestRecord, type ResponseRecord } from '../../core/record.ts';

/** A flow record with something in every field, made for tests; each call gives a new one. */
export function sampleRecord(request: Partial<RequestRecord> = {}, response: Partial<ResponseRecord> = {}): FlowRecord {
  return {
    version: RECORD_VERSION,
    id: 'flow_1',
    job_id: 'job_1',
    kind: 'http',
    timestamp: '2024-05-01T12:00:00.000Z',
    outcome: 'completed',
    error: null,
    request: {
      method: 'POST',
      url: 'https://api.example.com/v1/items?page=2',
      http_version: 'HTTP/1.1',
      headers: [['Host', 'api.example.com'], ['Content-Type', 'application/json']],
      trailers: [],
      body: '{"name":"box"}',
      body_encoding: 'utf8',
      body_size: 14,
      body_sha256: '6'.repeat(64),
      body_truncated: false,
      body_file: null,
      body_decoded: [],
      ...request,
    },
    response: {
      status: 201,
      status_text: 'Created',
      http_version: 'HTTP/1.1',
      headers: [['Content-Type', 'text/plain']],
      trailers: [['X-Checksum', '1']],
      informational: [{ status: 103, headers: [['Link', '</a.css>; rel=preload']] }],
      body: 'made',
      body_encoding: 'utf8',
      body_size: 4,
      body_sha256: '7'.repeat(64),
      body_truncated: false,
      body_file: null,
      body_decoded: [],
      ...response,
    },
    latency_ms: 12.5,
    tls_sni: 'api.example.com',
    http_version: 'HTTP/1.1',
    tls: { sni: 'api.example.com', version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', alpn: 'http/1.1', ja4: 't13d1516h2_8daaf6152771_b0da82dd1658', ech: 'absent', client_certificate: { subject: 'CN=agent', issuer: 'CN=Test CA', serial: '02', sha256: 'ab', valid_from: '2024-01-01T00:00:00.000Z', valid_to: '2025-01-01T00:00:00.000Z', alt_names: '', verified: false, fault: 'unable to get local issuer certificate' } },
    client: { address: '10.0.2.100', port: 40000 },
    server: { name: 'api.example.com', address: '198.18.0.1', port: 443 },
    upstream: {
      address: '192.0.2.10',
      port: 443,
      http_version: 'HTTP/1.1',
      reused: false,
      tls: {
        version: 'TLSv1.3',
        cipher: 'TLS_AES_128_GCM_SHA256',
        alpn: 'http/1.1',
        peer_certificate: { subject: 'CN=api.example.com', issuer: 'CN=Test CA', serial: '01', sha256: 'AB:CD', valid_from: 'Jan  1 00:00:00 2024 GMT', valid_to: 'Jan  1 00:00:00 2025 GMT', alt_names: 'DNS:api.example.com' },
        client_certificate: { subject: 'CN=job', sha256: 'cd' },
      },
    },
    connection_id: 'conn_1',
    bytes: { up: 14, down: 4 },
    timing: { dns: 1, connect: 2, tls: 3, send: 0.5, wait: 4, receive: 2, total: 12.5 },
    policy: { decision: 'allow', by: 'domain-policy', rule: 'allowedDomains: api.example.com' },
    violation: null,
    annotations: { 'domain-policy': { matched: 'api.example.com' } },
  };
}

/** Every part that a protocol may add, made for tests. No record has all of them. */
export function sampleParts(): Required<RecordParts> {
  const data = { data: 'hello', data_encoding: 'utf8', data_truncated: false, data_file: null } as const;
  const message = { at: 1.5, from: 'server', size: 5, ...data } as const;
  const list = { message_count: { up: 0, down: 1 }, messages_truncated: false, messages_file: null };
  return {
    websocket: { messages: [{ ...message, opcode: 'text', compressed: true }], ...list, subprotocol: 'chat', extensions: 'permessage-deflate', close: { code: 1000, reason: 'done', from: 'client' }, fault: null },
    events: { messages: [{ ...message, event: 'message', event_id: '7' }], ...list, format: 'event-stream', fault: null },
    grpc: { messages: [{ ...message, compressed: false }], ...list, format: 'grpc', service: 'helloworld.Greeter', method: 'SayHello', status: 0, status_name: 'OK', status_message: null, fault: null },
    tcp: { protocol: 'ssh', upgraded_by: null, speaks_first: 'server', up: { ...data }, down: { ...data } },
    passthrough: { offered_versions: ['TLSv1.3'], offered_alpn: ['h2'], ech: 'absent', version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', alpn: null, peer_certificate: null },
    dns: { transport: 'udp', name: 'example.com', type: 'A', class: 'IN', code: 'NOERROR', answers: [{ name: 'example.com', type: 'A', ttl: 60, data: '198.18.0.1' }], synthetic: true, truncated: false, edns: { version: 0, payload_size: 1232, dnssec_ok: false } },
    udp: { packets: 1, first: { ...data } },
  };
}
