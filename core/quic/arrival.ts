/** A client's QUIC connection whose ClientHello is whole and that is still to be taken or turned away. */
import type { ClientHello, Endpoint } from '../flow.ts';
import type { HelloAssembly } from './hello-assembly.ts';
import { initialKeys, sealInitial } from './initial-keys.ts';
import type { QuicConnection, QuicEnd } from './connection.ts';

/** Codes of the transport (RFC 9000, section 20.1; RFC 9001, section 4.8 for the alert). */
export const INTERNAL_ERROR = 0x01;
export const CONNECTION_REFUSED = 0x02;
export const NO_APPLICATION_PROTOCOL = 0x178;

export interface Identity {
  /** PEM texts. */
  readonly key: string;
  readonly certificate: string;
}

/** What the handshake agreed on; null where it could not be seen. */
export interface HandshakeFacts {
  readonly cipher: string | null;
  readonly group: string | null;
}

export interface AcceptedEvents {
  onEstablished(connection: QuicConnection, facts: HandshakeFacts): void;
  /** The handshake failed; nothing follows. */
  onFailed(end: QuicEnd): void;
}

export interface QuicArrival {
  readonly hello: ClientHello;
  readonly peer: Endpoint;
  /** Takes the connection. Where the transport cannot, the client is turned away, and where it is too late, gone: `onFailed` tells. */
  accept(identity: Identity, events: AcceptedEvents): void;
  /** Turns the client away at once, with a code of the transport. */
  refuse(code: number, reason: string): void;
}

/** A CONNECTION_CLOSE for a client whose Initial packets are all that has come: anyone can make one. */
export function refusalDatagram(assembly: HelloAssembly, code: number, reason: string): Buffer {
  const text = Buffer.from(reason.slice(0, 60));
  const frame = Buffer.concat([Buffer.from([0x1c, 0x40 | (code >> 8), code & 0xff, 0x00, text.length]), text]);
  const keys = initialKeys(assembly.version, assembly.dcid, 'server');
  return sealInitial(assembly.version, assembly.scid, assembly.dcid, frame, keys);
}
