/** A connection and a flow as hooks see them. The proxy's own state hangs on subclasses, out of a plugin's sight. */
import type { Verdict } from './decision.ts';
import type { Headers } from './headers.ts';
import type { FlowKind, FlowRecord } from './record.ts';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Where the client wanted to go. */
export interface Destination {
  /** The canonical name behind the address (our DNS answer, or the proxy request); null for a bare address. */
  readonly name: string | null;
  /** The address that was dialled by the client; null where a proxy request named a host. */
  readonly address: string | null;
  readonly port: number;
}

/** What the first bytes of a TLS connection show (RFC 8446, section 4.1.2). */
export interface ClientHello {
  /** Canonical server name, null where absent. */
  readonly sni: string | null;
  readonly alpn: readonly string[];
  /** TLS versions offered, such as 0x0304, GREASE left out. */
  readonly versions: readonly number[];
  readonly ciphers: readonly number[];
  readonly groups: readonly number[];
  readonly signatureAlgorithms: readonly number[];
  /** True where an encrypted_client_hello extension is present, real or GREASE. */
  readonly ech: boolean;
  readonly ja4: string;
}

export interface Connection {
  readonly id: string;
  /** `dns` is a name look-up: `destination.name` is the question and the port says nothing. */
  readonly protocol: 'tls' | 'http' | 'raw' | 'dns';
  readonly client: Endpoint;
  readonly destination: Destination;
  readonly clientHello: ClientHello | null;
  /** True where a client has refused our certificate for this destination and server name before, as one that pins another does. */
  readonly pinned?: boolean;
  /** Set by the hooks: the allowance noted last. */
  allowance: Verdict | undefined;
  readonly annotations: Record<string, Record<string, unknown>>;
}

export interface FlowRequest {
  method: string;
  readonly scheme: 'http' | 'https';
  /** `Host` or `:authority` as sent; the destination's where there was none. */
  authority: string;
  /** Origin-form: path and query. */
  path: string;
  readonly httpVersion: string;
  readonly headers: Headers;
  readonly url: string;
}

export interface FlowResponse {
  readonly status: number;
  readonly statusText: string;
  readonly httpVersion: string;
  readonly headers: Headers;
}

export type Side = 'request' | 'response';

/** A message that has passed: of a WebSocket (text or binary), a gRPC stream, or an event of a streamed response. */
export interface FlowMessage {
  readonly from: 'client' | 'server';
  readonly kind: 'websocket' | 'grpc' | 'event';
  /** Bytes, after the message's own compression is undone. */
  readonly size: number;
  /** The whole message; null where it is longer than the limit of bodies (`record.bodyLimit`). Not to be changed or kept. */
  readonly data: Uint8Array | null;
}

export interface Flow {
  readonly id: string;
  readonly kind: FlowKind;
  readonly connection: Connection;
  readonly request: FlowRequest;
  /** Null until the response head has come. */
  readonly response: FlowResponse | null;
  allowance: Verdict | undefined;
  readonly annotations: Record<string, Record<string, unknown>>;
  /** Sees each chunk of a body as it is forwarded; the chunk is not to be changed or kept. Call it in `onRequest` or, for the response, up to `onResponse`. */
  observe(side: Side, chunk: (chunk: Uint8Array) => void): void;
  /** Sees each message once it has passed whole. Call it in `onRequest` or `onResponse`. A flow without messages calls nothing. */
  observeMessages(message: (message: FlowMessage) => void): void;
}

/** Maps the bytes of a body. Its return value `unchanged` leaves the body as it was. */
export type BodyTransform = (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array, 'unchanged' | void>;

/** A flow that is over. */
export interface CompletedFlow {
  /** Up to the redact stage it may be changed, from then on it is frozen. */
  readonly record: FlowRecord;
  /** The record as its line in `flows.jsonl`, without the newline. Made once, for every sink; only in the sink stage. */
  readonly line: string;
  /**
   * In the redact stage: rewrites a body that lies whole in a file; `transform` maps the (still encoded) bytes.
   * The file gets the name of the new bytes' hash, and the record forgets the old one; nothing changes where the
   * transform returns `unchanged`. Where it throws, the file is removed, the record names none, and the error is thrown.
   */
  rewriteBodyFile(side: Side, transform: BodyTransform): Promise<void>;
  /**
   * As `rewriteBodyFile`, for a file that another part of the record names (`data_file`, `messages_file`), once for each time that it does.
   * Gives the name that it has from now on, which the caller notes; where it throws, the file is gone.
   */
  rewriteFile(file: string, transform: BodyTransform): Promise<string>;
  /** Called by the hooks between redact and sink. */
  freeze(): void;
}
