/** JSON Schema of the flow record: what `record.ts` says in types, for readers of `flows.jsonl` in any language. */
import { RECORD_VERSION } from './record.ts';
import { clientCertificate, peerCertificate, recordParts } from './record-parts-schema.ts';
import { bytes, headers, milliseconds, port, text, textOrNull } from './schema-terms.ts';

const bodyProperties = {
  body: textOrNull('Text, or base64 of the bytes, after the codings of `body_decoded` are undone; null where there was none or none is kept.'),
  body_encoding: { enum: ['utf8', 'base64', null], description: 'How `body` holds the bytes.' },
  body_size: bytes('Bytes on the wire, after transfer coding and before any content coding is undone.'),
  body_sha256: { type: ['string', 'null'], pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of those bytes; null where there was no body, none is kept, or redaction left the hash out.' },
  body_truncated: { type: 'boolean', description: 'True where `body` is less than the whole.' },
  body_file: { type: ['string', 'null'], pattern: '^bodies/[0-9a-f]{64}$', description: 'Where the whole body lies, as it was on the wire, relative to the job directory.' },
  body_decoded: { type: 'array', items: { type: 'string' }, description: 'Content codings undone for reading, outermost first: gzip, deflate, br, zstd.' },
} as const;
const bodyKeys = ['body', 'body_encoding', 'body_size', 'body_sha256', 'body_truncated', 'body_file', 'body_decoded'] as const;

const request = {
  type: ['object', 'null'],
  description: 'The request; null for a connection that ended before any.',
  properties: {
    method: text('As sent.'),
    url: text('Absolute URL.'),
    http_version: text('Such as `HTTP/1.1` or `HTTP/2`.'),
    headers: headers('Name and value in the order, case and number in which they came.'),
    trailers: headers('Fields after the body.'),
    ...bodyProperties,
  },
  required: ['method', 'url', 'http_version', 'headers', 'trailers', ...bodyKeys],
  additionalProperties: false,
} as const;

const response = {
  type: ['object', 'null'],
  description: 'The response that the client got; null where there was none.',
  properties: {
    status: { type: 'integer', minimum: 100, maximum: 999, description: 'Status code.' },
    status_text: text('Reason phrase; empty in HTTP/2.'),
    http_version: text('Such as `HTTP/1.1` or `HTTP/2`.'),
    headers: headers('Name and value in the order, case and number in which they came.'),
    trailers: headers('Fields after the body.'),
    informational: {
      type: 'array',
      description: '1xx answers that came before, in order.',
      items: {
        type: 'object',
        properties: { status: { type: 'integer', minimum: 100, maximum: 199 }, headers: headers('Its fields.') },
        required: ['status', 'headers'],
        additionalProperties: false,
      },
    },
    ...bodyProperties,
  },
  required: ['status', 'status_text', 'http_version', 'headers', 'trailers', 'informational', ...bodyKeys],
  additionalProperties: false,
} as const;

const clientTls = {
  type: ['object', 'null'],
  description: 'TLS between client and us; null for a connection without.',
  properties: {
    sni: textOrNull('Server name in its canonical form.'),
    version: textOrNull('Such as `TLSv1.3`.'),
    cipher: textOrNull('Name of the cipher suite.'),
    alpn: textOrNull('The protocol chosen.'),
    ja4: textOrNull('JA4 fingerprint of the client hello.'),
    ech: { enum: ['present', 'absent'], description: 'Whether the client sent encrypted_client_hello, real or GREASE.' },
    client_certificate: clientCertificate,
  },
  required: ['sni', 'version', 'cipher', 'alpn', 'ja4', 'ech', 'client_certificate'],
  additionalProperties: false,
} as const;

const upstream = {
  type: ['object', 'null'],
  description: 'Our connection to the server; null where nothing was dialled.',
  properties: {
    address: text('The address dialled.'),
    port: port('The port dialled.'),
    http_version: textOrNull('Such as `HTTP/1.1` or `HTTP/2`.'),
    reused: { type: 'boolean', description: 'True where an earlier flow had opened the connection.' },
    tls: {
      type: ['object', 'null'],
      properties: {
        version: textOrNull('Such as `TLSv1.3`.'),
        cipher: textOrNull('Name of the cipher suite.'),
        alpn: textOrNull('The protocol chosen.'),
        peer_certificate: peerCertificate,
        client_certificate: {
          type: ['object', 'null'],
          description: 'The certificate of ours that stood ready for the server to ask for.',
          properties: { subject: text('Distinguished name.'), sha256: text('SHA-256 fingerprint of the certificate.') },
          required: ['subject', 'sha256'],
          additionalProperties: false,
        },
      },
      required: ['version', 'cipher', 'alpn', 'peer_certificate', 'client_certificate'],
      additionalProperties: false,
    },
  },
  required: ['address', 'port', 'http_version', 'reused', 'tls'],
  additionalProperties: false,
} as const;

const timing = {
  type: 'object',
  description: 'Milliseconds of each step; null where it did not take place in this flow.',
  properties: {
    dns: milliseconds('Resolving the name.'),
    connect: milliseconds('The TCP handshake with the server.'),
    tls: milliseconds('The TLS handshake with the server.'),
    send: milliseconds('Sending the request.'),
    wait: milliseconds('From the end of the request to the first byte of the response.'),
    receive: milliseconds('Receiving the response.'),
    total: { type: 'number', minimum: 0, description: 'The whole flow.' },
  },
  required: ['dns', 'connect', 'tls', 'send', 'wait', 'receive', 'total'],
  additionalProperties: false,
} as const;

const policy = {
  type: ['object', 'null'],
  description: 'What was decided about the flow; null where nobody had an opinion.',
  properties: {
    decision: { enum: ['allow', 'deny', 'answer', 'passthrough'], description: 'The decision.' },
    by: text('The plugin that decided; `core` for the dialler.'),
    rule: text('The rule in the words of the profile, such as `deniedDomains: *.example.com`.'),
    would_deny: { type: 'boolean', description: 'In an auditing preset: the lists would have denied it.' },
  },
  required: ['decision', 'by', 'rule'],
  additionalProperties: false,
} as const;

const violation = {
  type: ['object', 'null'],
  description: 'The broken rule of a denied flow.',
  properties: {
    id: text('`vio_…`, also sent to the client in `x-mentu-violation`.'),
    code: text('Code of the table of errors.'),
    rule: text('The rule in the words of the profile.'),
    host: text('The name or address that broke the rule.'),
    by: text('The plugin that decided; `core` for the dialler.'),
  },
  required: ['id', 'code', 'rule', 'host', 'by'],
  additionalProperties: false,
} as const;

export const flowRecordSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Flow record',
  description: 'One line of flows.jsonl: one flow. Times are milliseconds, sizes bytes.',
  type: 'object',
  properties: {
    version: { const: RECORD_VERSION, description: 'Version of this shape.' },
    id: text('Of the flow, unique.'),
    job_id: text('Of the job.'),
    kind: {
      enum: ['http', 'websocket', 'tls', 'tcp', 'dns', 'udp'],
      description: 'What was seen: an HTTP exchange, one that became a WebSocket, TLS that was not decrypted, a connection of another protocol, a name look-up, or other datagrams.',
    },
    timestamp: { type: 'string', format: 'date-time', description: 'Beginning of the flow, RFC 3339 in UTC.' },
    outcome: { enum: ['completed', 'denied', 'aborted', 'failed'], description: 'How the flow ended.' },
    error: {
      type: ['object', 'null'],
      description: 'What went wrong.',
      properties: { code: text('Code of the table of errors.'), message: text('In words.') },
      required: ['code', 'message'],
      additionalProperties: false,
    },
    request,
    response,
    latency_ms: { type: 'number', minimum: 0, description: 'From the request to the end of the response.' },
    tls_sni: textOrNull('The server name of the client hello.'),
    http_version: textOrNull('The version that the client spoke.'),
    tls: clientTls,
    client: {
      type: 'object',
      description: 'Where the connection came from.',
      properties: { address: text('IP address.'), port: port('TCP port.') },
      required: ['address', 'port'],
      additionalProperties: false,
    },
    server: {
      type: 'object',
      description: 'Where the client wanted to go.',
      properties: { name: textOrNull('Canonical name; null for a bare address.'), address: textOrNull('The address that the client dialled; null where it named a host to a proxy.'), port: port('TCP port.') },
      required: ['name', 'address', 'port'],
      additionalProperties: false,
    },
    upstream,
    connection_id: text('Of the client connection; flows of one connection share it.'),
    bytes: {
      type: 'object',
      description: 'Bytes of the bodies, or of the relayed connection.',
      properties: { up: bytes('From the client.'), down: bytes('To the client.') },
      required: ['up', 'down'],
      additionalProperties: false,
    },
    timing,
    policy,
    violation,
    ...recordParts,
    annotations: {
      type: 'object',
      description: 'What plugins noted, under the name of each.',
      additionalProperties: { type: 'object', additionalProperties: true },
    },
  },
  required: [
    'version', 'id', 'job_id', 'kind', 'timestamp', 'outcome', 'error', 'request', 'response', 'latency_ms', 'tls_sni', 'http_version', 'tls',
    'client', 'server', 'upstream', 'connection_id', 'bytes', 'timing', 'policy', 'violation', 'annotations',
  ],
  additionalProperties: false,
} as const;
