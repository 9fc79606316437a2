/** Flow records as the capture writes them. */
import type { FlowRecord } from '../../../core/index.ts';

const NO_BODY = { body: null, body_encoding: null, body_size: 0, body_sha256: null, body_truncated: false, body_file: null } as const;

export function flowSample(number: number, changes: Partial<FlowRecord> = {}, job = 'job_sample'): FlowRecord {
  return {
    version: 1,
    id: `flow_${job}_${String(number).padStart(6, '0')}`,
    job_id: job,
    kind: 'http',
    timestamp: new Date(Date.UTC(2026, 0, 2) + number * 1000).toISOString(),
    outcome: 'completed',
    error: null,
    request: { ...NO_BODY, body_decoded: [], method: 'GET', url: `https://api.example.com/items/${number}?page=1`, http_version: '1.1', headers: [['Host', 'api.example.com']], trailers: [] },
    response: { ...NO_BODY, body_decoded: [], body_size: 12, status: 200, status_text: 'OK', http_version: '1.1', headers: [['Content-Type', 'application/json']], trailers: [], informational: [] },
    latency_ms: 12.4,
    tls_sni: 'api.example.com',
    http_version: '1.1',
    tls: { sni: 'api.example.com', version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', alpn: 'http/1.1', ja4: null, ech: 'absent', client_certificate: null },
    client: { address: '10.0.0.2', port: 50_000 },
    server: { name: 'api.example.com', address: '10.1.0.1', port: 443 },
    upstream: { address: '198.51.100.7', port: 443, http_version: '1.1', reused: false, tls: null },
    connection_id: 'conn_1',
    bytes: { up: 120, down: 340 },
    timing: { dns: 1, connect: 2, tls: 3, send: 0.1, wait: 5, receive: 1, total: 12.4 },
    policy: { decision: 'allow', by: 'domain-policy', rule: 'no list' },
    violation: null,
    annotations: {},
    ...changes,
  };
}

export function deniedSample(number: number, job?: string): FlowRecord {
  return flowSample(
    number,
    {
      outcome: 'denied',
      error: { code: 'denied', message: 'The request to evil.test is denied.' },
      violation: { id: `vio_${job ?? 'sample'}_${number}`, code: 'denied', rule: 'deniedDomains: *.evil.test', host: 'a.evil.test', by: 'domain-policy' },
      policy: { decision: 'deny', by: 'domain-policy', rule: 'deniedDomains: *.evil.test' },
      upstream: null,
    },
    job,
  );
}

export const asLines = (records: readonly FlowRecord[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');

/** A record as a sink meets it. */
export const asCompleted = (record: FlowRecord): { record: FlowRecord; line: string } => ({ record, line: JSON.stringify(record) });
