/** What the protocols add to the flow record: messages, first bytes, name look-ups. Times are milliseconds, sizes bytes. */
export interface PeerCertificateRecord {
  subject: string;
  issuer: string;
  serial: string;
  sha256: string;
  valid_from: string;
  valid_to: string;
  alt_names: string;
}

/** The certificate of a client that was asked for one. */
export interface ClientCertificateRecord extends PeerCertificateRecord {
  /** False where it does not lead to the CA that was named, and where none was named. */
  verified: boolean;
  /** Why it is not verified, in OpenSSL's words or ours; `null` where it is. */
  fault: string | null;
}

/** Bytes as the record shows them. */
export interface DataRecord {
  /** Text, or base64 of the bytes; `null` where none is kept. */
  data: string | null;
  data_encoding: 'utf8' | 'base64' | null;
  /** True where `data` holds only the beginning. */
  data_truncated: boolean;
  /** `bodies/<sha256>` where the whole lies there. */
  data_file: string | null;
}

/** One message of a flow that has many. */
export interface MessageRecord extends DataRecord {
  /** Milliseconds from the beginning of the flow to the message's last byte. */
  at: number;
  from: 'client' | 'server';
  /** Bytes of the message, after its own compression is undone. */
  size: number;
}

/** The messages of a flow, in the order in which they were complete. */
export interface MessageList<Message extends MessageRecord> {
  /** All of them, or the first ones. */
  messages: Message[];
  /** How many there were, listed or not. */
  message_count: { up: number; down: number };
  /** True where `messages` has only the first ones. */
  messages_truncated: boolean;
  /** `bodies/<sha256>`, where all of them lie, a line of JSON each, because `messages` is too short for them. */
  messages_file: string | null;
}

/** RFC 6455; control frames are messages too. */
export interface WebSocketMessage extends MessageRecord {
  opcode: 'text' | 'binary' | 'ping' | 'pong' | 'close';
  /** True where it came compressed (RFC 7692). */
  compressed: boolean;
}

export interface WebSocketRecord extends MessageList<WebSocketMessage> {
  subprotocol: string | null;
  /** What both sides agreed on, as in `Sec-WebSocket-Extensions`. */
  extensions: string | null;
  /** The first close frame; `null` where there was none. `code` is `null` where it had none. */
  close: { code: number | null; reason: string; from: 'client' | 'server' } | null;
  /** Why the messages could not be read any further, though their bytes passed; else `null`. */
  fault: string | null;
}

/** An event of `text/event-stream`, or a line of `application/x-ndjson` (then `event` is empty). */
export interface EventMessage extends MessageRecord {
  event: string;
  event_id: string | null;
}

export interface EventStreamRecord extends MessageList<EventMessage> {
  format: 'event-stream' | 'ndjson';
  /** Why the events could not be read any further, though their bytes passed; else `null`. */
  fault: string | null;
}

export interface GrpcMessage extends MessageRecord {
  /** The flag of its frame. What could be uncompressed was. */
  compressed: boolean;
}

export interface GrpcRecord extends MessageList<GrpcMessage> {
  format: 'grpc' | 'grpc-web' | 'grpc-web-text';
  /** Of the path: `/service/method`. */
  service: string;
  method: string;
  /** `grpc-status`; `null` where it did not come. */
  status: number | null;
  status_name: string | null;
  status_message: string | null;
  /** Why the messages could not be read any further, though their bytes passed; else `null`. */
  fault: string | null;
}

/** A connection that is neither HTTP nor undecrypted TLS. */
export interface StreamRecord {
  /** What it speaks, as its first bytes tell: `ssh`, `smtp`, `postgresql`, `mysql`, `redis`, `git` …; `null` where they do not. */
  protocol: string | null;
  /** How TLS began inside of it: `starttls`, `sslrequest`; `null` where it did not. */
  upgraded_by: string | null;
  speaks_first: 'client' | 'server' | null;
  /** The first bytes of each direction, after decryption where there was any. */
  up: DataRecord;
  down: DataRecord;
}

/** Undecrypted TLS, as far as its handshake shows. */
export interface TlsPassthroughRecord {
  /** Offered by the client, such as `TLSv1.3`. */
  offered_versions: string[];
  offered_alpn: string[];
  /** `present` where the client sent encrypted_client_hello, real or GREASE; else `absent`. */
  ech: 'present' | 'absent';
  /** Chosen by the server; `null` where it has not answered, or (ALPN of TLS 1.3) answered encrypted. */
  version: string | null;
  cipher: string | null;
  alpn: string | null;
  /** Visible up to TLS 1.2. */
  peer_certificate: PeerCertificateRecord | null;
}

export interface DnsAnswerRecord {
  name: string;
  type: string;
  /** Seconds. */
  ttl: number;
  /** In the notation of zone files. */
  data: string;
}

/** A question and its answer: of a flow of kind `dns`, or inside DNS over HTTPS. */
export interface DnsRecord {
  transport: 'udp' | 'tcp' | 'https';
  /** Without the root's dot. */
  name: string;
  /** Such as `A` or `MX`; `TYPE65280` for one without a name. */
  type: string;
  class: string;
  /** Such as `NOERROR`; `null` where nothing was answered. */
  code: string | null;
  answers: DnsAnswerRecord[];
  /** True where the answer is of our making: an address that stands for the name. */
  synthetic: boolean;
  /** The answer was cut, to be asked for again over TCP. */
  truncated: boolean;
  /** What the client sent of EDNS; `null` for none. */
  edns: { version: number; payload_size: number; dnssec_ok: boolean } | null;
}

/** Datagrams to one destination. */
export interface UdpRecord {
  /** Datagrams and their bytes until the record was made. */
  packets: number;
  /** The beginning of the first one. */
  first: DataRecord;
}

/** What a protocol adds to the record. Absent where the flow did not speak it. */
export interface RecordParts {
  websocket?: WebSocketRecord;
  events?: EventStreamRecord;
  grpc?: GrpcRecord;
  tcp?: StreamRecord;
  passthrough?: TlsPassthroughRecord;
  dns?: DnsRecord;
  udp?: UdpRecord;
}
