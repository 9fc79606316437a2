/** JSON Schema of `record-parts.ts`. */
import { bytes, text, textOrNull } from './schema-terms.ts';

export const peerCertificate = {
  type: ['object', 'null'],
  description: 'The certificate that the server showed.',
  properties: {
    subject: text('Distinguished name.'),
    issuer: text('Distinguished name.'),
    serial: text('Serial number in hex.'),
    sha256: text('SHA-256 fingerprint of the certificate.'),
    valid_from: text('First moment of validity.'),
    valid_to: text('Last moment of validity.'),
    alt_names: text('Subject alternative names.'),
  },
  required: ['subject', 'issuer', 'serial', 'sha256', 'valid_from', 'valid_to', 'alt_names'],
  additionalProperties: false,
} as const;

export const clientCertificate = {
  ...peerCertificate,
  description: 'The certificate that the client showed, where it was asked for one.',
  properties: {
    ...peerCertificate.properties,
    verified: { type: 'boolean', description: 'True where it leads to the CA that `interceptor.clientAuth` names.' },
    fault: textOrNull('Why it is not verified.'),
  },
  required: [...peerCertificate.required, 'verified', 'fault'],
} as const;

const data = {
  data: textOrNull('Text, or base64 of the bytes; null where none is kept.'),
  data_encoding: { enum: ['utf8', 'base64', null], description: 'How `data` holds the bytes.' },
  data_truncated: { type: 'boolean', description: 'True where `data` is less than the whole.' },
  data_file: { type: ['string', 'null'], pattern: '^bodies/[0-9a-f]{64}$', description: 'Where the whole lies, relative to the job directory.' },
} as const;
const dataKeys = ['data', 'data_encoding', 'data_truncated', 'data_file'] as const;
const dataRecord = (description: string) => ({ type: 'object', description, properties: data, required: dataKeys, additionalProperties: false }) as const;

const message = {
  at: { type: 'number', minimum: 0, description: 'Milliseconds from the beginning of the flow to the last byte.' },
  from: { enum: ['client', 'server'], description: 'Who sent it.' },
  size: bytes('Bytes, after its own compression is undone.'),
  ...data,
} as const;
const messageKeys = ['at', 'from', 'size', ...dataKeys] as const;

const list = {
  message_count: {
    type: 'object',
    description: 'How many there were, listed or not.',
    properties: { up: bytes('From the client.'), down: bytes('To the client.') },
    required: ['up', 'down'],
    additionalProperties: false,
  },
  messages_truncated: { type: 'boolean', description: 'True where `messages` has only the first ones.' },
  messages_file: { type: ['string', 'null'], pattern: '^bodies/[0-9a-f]{64}$', description: 'Where all of them lie, a line of JSON each, because the list is too short for them.' },
} as const;
const listKeys = ['messages', 'message_count', 'messages_truncated', 'messages_file'] as const;
const fault = textOrNull('Why the messages could not be read any further, though their bytes passed.');

const websocket = {
  type: 'object',
  description: 'The messages of a WebSocket (RFC 6455).',
  properties: {
    messages: {
      type: 'array',
      description: 'In the order in which they were complete, control frames too.',
      items: {
        type: 'object',
        properties: { ...message, opcode: { enum: ['text', 'binary', 'ping', 'pong', 'close'], description: 'Of its frames.' }, compressed: { type: 'boolean', description: 'True where it came compressed (RFC 7692).' } },
        required: [...messageKeys, 'opcode', 'compressed'],
        additionalProperties: false,
      },
    },
    ...list,
    subprotocol: textOrNull('What both sides agreed on.'),
    extensions: textOrNull('What both sides agreed on, as in `Sec-WebSocket-Extensions`.'),
    close: {
      type: ['object', 'null'],
      description: 'The first close frame.',
      properties: { code: { type: ['integer', 'null'], minimum: 0, maximum: 65535, description: 'Null where it had none.' }, reason: text('Its text.'), from: { enum: ['client', 'server'], description: 'Who sent it.' } },
      required: ['code', 'reason', 'from'],
      additionalProperties: false,
    },
    fault,
  },
  required: [...listKeys, 'subprotocol', 'extensions', 'close', 'fault'],
  additionalProperties: false,
} as const;

const events = {
  type: 'object',
  description: 'The response as the events, or lines, that it streamed.',
  properties: {
    messages: {
      type: 'array',
      description: 'In the order in which they came.',
      items: {
        type: 'object',
        properties: { ...message, event: text('Its type; empty for a line.'), event_id: textOrNull('Its id, where it has one of its own.') },
        required: [...messageKeys, 'event', 'event_id'],
        additionalProperties: false,
      },
    },
    ...list,
    format: { enum: ['event-stream', 'ndjson'], description: 'Of the response.' },
    fault,
  },
  required: [...listKeys, 'format', 'fault'],
  additionalProperties: false,
} as const;

const grpc = {
  type: 'object',
  description: 'The messages of a gRPC call, as protobuf bytes.',
  properties: {
    messages: {
      type: 'array',
      description: 'In the order in which they were complete.',
      items: {
        type: 'object',
        properties: { ...message, compressed: { type: 'boolean', description: 'The flag of its frame. What could be uncompressed was.' } },
        required: [...messageKeys, 'compressed'],
        additionalProperties: false,
      },
    },
    ...list,
    format: { enum: ['grpc', 'grpc-web', 'grpc-web-text'], description: 'How it was framed.' },
    service: text('Of the path, such as `helloworld.Greeter`.'),
    method: text('Of the path, such as `SayHello`.'),
    status: { type: ['integer', 'null'], minimum: 0, description: '`grpc-status`; null where it did not come.' },
    status_name: textOrNull('Such as `PERMISSION_DENIED`.'),
    status_message: textOrNull('`grpc-message`, decoded.'),
    fault,
  },
  required: [...listKeys, 'format', 'service', 'method', 'status', 'status_name', 'status_message', 'fault'],
  additionalProperties: false,
} as const;

const tcp = {
  type: 'object',
  description: 'A connection that is neither HTTP nor undecrypted TLS.',
  properties: {
    protocol: textOrNull('What it speaks, as its first bytes tell: ssh, smtp, postgresql …'),
    upgraded_by: textOrNull('How TLS began inside of it: starttls, sslrequest.'),
    speaks_first: { enum: ['client', 'server', null], description: 'Who said something first; null where nobody did.' },
    up: dataRecord('The first bytes from the client, after decryption where there was any.'),
    down: dataRecord('The first bytes to the client.'),
  },
  required: ['protocol', 'upgraded_by', 'speaks_first', 'up', 'down'],
  additionalProperties: false,
} as const;

const passthrough = {
  type: 'object',
  description: 'Undecrypted TLS, as far as its handshake shows.',
  properties: {
    offered_versions: { type: 'array', items: { type: 'string' }, description: 'By the client, such as `TLSv1.3`.' },
    offered_alpn: { type: 'array', items: { type: 'string' }, description: 'By the client.' },
    ech: { enum: ['present', 'absent'], description: 'Whether the client sent encrypted_client_hello, real or GREASE.' },
    version: textOrNull('Chosen by the server.'),
    cipher: textOrNull('Chosen by the server.'),
    alpn: textOrNull('Chosen by the server, up to TLS 1.2: later it is encrypted.'),
    peer_certificate: peerCertificate,
  },
  required: ['offered_versions', 'offered_alpn', 'ech', 'version', 'cipher', 'alpn', 'peer_certificate'],
  additionalProperties: false,
} as const;

const dns = {
  type: 'object',
  description: 'A question and its answer.',
  properties: {
    transport: { enum: ['udp', 'tcp', 'https'], description: 'How it was asked.' },
    name: text("Without the root's dot."),
    type: text('Such as `A`, or `TYPE65280` for one without a name.'),
    class: text('Such as `IN`.'),
    code: textOrNull('Such as `NOERROR`; null where nothing was answered.'),
    answers: {
      type: 'array',
      description: 'The records of the answer section.',
      items: {
        type: 'object',
        properties: { name: text('Its owner.'), type: text('Such as `A`.'), ttl: { type: 'integer', minimum: 0, description: 'Seconds.' }, data: text('In the notation of zone files.') },
        required: ['name', 'type', 'ttl', 'data'],
        additionalProperties: false,
      },
    },
    synthetic: { type: 'boolean', description: 'True where the answer is of our making: an address that stands for the name.' },
    truncated: { type: 'boolean', description: 'True where it was cut, to be asked for again over TCP.' },
    edns: {
      type: ['object', 'null'],
      description: 'What the client sent of EDNS (RFC 6891).',
      properties: { version: { type: 'integer', minimum: 0, description: 'Its version.' }, payload_size: bytes('What it takes over UDP.'), dnssec_ok: { type: 'boolean', description: 'The DO bit.' } },
      required: ['version', 'payload_size', 'dnssec_ok'],
      additionalProperties: false,
    },
  },
  required: ['transport', 'name', 'type', 'class', 'code', 'answers', 'synthetic', 'truncated', 'edns'],
  additionalProperties: false,
} as const;

const udp = {
  type: 'object',
  description: 'Datagrams to one destination.',
  properties: { packets: bytes('How many there were until the record was made.'), first: dataRecord('The beginning of the first one.') },
  required: ['packets', 'first'],
  additionalProperties: false,
} as const;

export const recordParts = { websocket, events, grpc, tcp, passthrough, dns, udp } as const;
