/**
 * The two sides of an exchange, whatever the protocol version: what a client's codec offers to the
 * relay and what an upstream's codec offers, each with its back channel. A new protocol implements
 * `ClientExchange` or `UpstreamExchange`; nothing else in the path learns of it.
 *
 * Flow control is the same everywhere: a write that returns false asks for a pause until the
 * matching drain is called. All methods are synchronous; no side may call back after `reset`.
 */
import type { Headers } from './headers.ts';
import type { MentuError } from './errors.ts';
import type { Duplex } from 'node:stream';

export interface RequestHead {
  method: string;
  scheme: 'http' | 'https';
  authority: string;
  path: string;
  /** `1.0`, `1.1`, `2`, `3`. */
  readonly httpVersion: string;
  readonly headers: Headers;
  /** False where the head ends the request. */
  readonly hasBody: boolean;
  /** True where the client asks for another protocol: on this connection by `Upgrade` (RFC 9110, section 7.8), or on this stream by extended CONNECT. */
  readonly wantsUpgrade: boolean;
  /** The protocol that an extended CONNECT asks for (RFC 8441, RFC 9220), such as `websocket`; then there is no body. */
  readonly protocol?: string | undefined;
}

export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly httpVersion: string;
  readonly headers: Headers;
  /** False where the head ends the response. */
  readonly hasBody: boolean;
}

/** What the client's codec tells the relay. */
export interface ClientEvents {
  onRequestData(chunk: Buffer): void;
  onRequestEnd(trailers: Headers | null): void;
  /** The client went away, or reset the exchange, before it was complete. @param code see `reset`. */
  onClientAbort(code?: number): void;
  /** The client ended its half of the connection after a whole request; it may still read. */
  onClientHalfClose(): void;
  /** The request broke the grammar half-way, or the response has no form in the client's protocol. */
  onClientError(error: MentuError): void;
  /** After `write` returned false: there is room again. */
  onClientDrain(): void;
}

/** The client's side of one exchange. */
export interface ClientExchange {
  readonly head: RequestHead;
  /** Who is told of everything that befalls the exchange, from the first turn. */
  attach(events: ClientEvents): void;
  /** Begins to deliver the request body; until then it stays in the connection. May be called again. */
  start(): void;
  pauseRequest(): void;
  resumeRequest(): void;
  /** A 1xx answer. */
  inform(head: ResponseHead): void;
  respond(head: ResponseHead): void;
  write(chunk: Buffer): boolean;
  /** True once a final response has begun. */
  readonly responded: boolean;
  end(trailers: Headers | null): void;
  /** After `end`: what is left of the request is not wanted. */
  abandonRequest(): void;
  /**
   * Breaks the exchange off so that the client sees it.
   * @param code an error code of HTTP/2 (RFC 9113, section 7), where the upstream has given one; a protocol that has no form for it takes its own.
   */
  reset(code?: number): void;
  /**
   * Grants what `wantsUpgrade` asks for: sends the answer (101, or 2xx to an extended CONNECT), and gives the bytes of the connection
   * or stream, which are no longer this codec's. Null where there is none any more; then the events have said so.
   * A stream that is reset closes without having ended.
   */
  detach(head: ResponseHead): Duplex | null;
}

/** What the upstream's codec tells the relay. */
export interface UpstreamEvents {
  onInform(head: ResponseHead): void;
  onResponse(head: ResponseHead): void;
  onResponseData(chunk: Buffer): void;
  /** The request may still be under way; its end, or an error, follows then. */
  onResponseEnd(trailers: Headers | null): void;
  /** The exchange is over; nothing follows. `untouched`: not a byte of an answer had come. @param code the upstream's own reset; see `reset`. */
  onUpstreamError(error: MentuError, untouched: boolean, code?: number): void;
  onUpstreamDrain(): void;
  /** After a 101, or a 2xx to an extended CONNECT: the bytes of the connection or stream, in the way of `detach`. Nothing else follows. */
  onUpgrade(head: ResponseHead, connection: Duplex): void;
}

/** The upstream's side of one exchange. */
export interface UpstreamExchange {
  write(chunk: Buffer): boolean;
  end(trailers: Headers | null): void;
  /** The client has ended its half of the connection: passed on where the protocol can, otherwise false. */
  endConnection(): boolean;
  pauseResponse(): void;
  resumeResponse(): void;
  /** @param code with which the client has reset the exchange. */
  reset(code?: number): void;
}
