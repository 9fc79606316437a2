/** What the handshake agreed on, read from the server's Initial packets: the transport does not tell (RFC 8446, section 4.1.3). */
import type { HandshakeFacts } from './arrival.ts';
import { CryptoStream } from './crypto-stream.ts';
import { initialKeys, openInitial, type InitialKeys } from './initial-keys.ts';
import { readLongPacket } from './packet.ts';

const SERVER_HELLO = 2;
const KEY_SHARE = 51;
/** Datagrams that are looked at. */
const PATIENCE = 8;
/** IANA TLS Cipher Suites registry, the suites of TLS 1.3. */
const CIPHERS: Readonly<Record<number, string>> = {
  0x1301: 'TLS_AES_128_GCM_SHA256',
  0x1302: 'TLS_AES_256_GCM_SHA384',
  0x1303: 'TLS_CHACHA20_POLY1305_SHA256',
  0x1304: 'TLS_AES_128_CCM_SHA256',
  0x1305: 'TLS_AES_128_CCM_8_SHA256',
};
const GROUPS: Readonly<Record<number, string>> = { 23: 'P-256', 24: 'P-384', 25: 'P-521', 29: 'X25519', 30: 'X448', 4587: 'SecP256r1MLKEM768', 4588: 'X25519MLKEM768', 25497: 'X25519Kyber768Draft00' };
const UNKNOWN: HandshakeFacts = { cipher: null, group: null };

export class ServerHelloReader {
  facts: HandshakeFacts = UNKNOWN;
  readonly #version: number;
  readonly #keys: InitialKeys;
  readonly #crypto = new CryptoStream();
  #left = PATIENCE;

  /** @param dcid as the keys of the handshake's Initial packets come from. */
  constructor(version: number, dcid: Buffer) {
    this.#version = version;
    this.#keys = initialKeys(version, dcid, 'server');
  }

  get isWanted(): boolean {
    return this.#left > 0;
  }

  /** Looks at a datagram of the server's; it stays as it is. */
  see(datagram: Buffer): void {
    this.#left--;
    const packet = readLongPacket(datagram);
    if (packet?.type !== 'initial' || packet.version !== this.#version) return;
    const frames = openInitial(datagram, packet, this.#keys);
    if (frames === null || !this.#crypto.take(frames)) return;
    const facts = readServerHello(this.#crypto.bytes);
    if (facts === null) return;
    this.facts = facts;
    this.#left = 0;
  }
}

/** The same from the client's side, whose own first packet says where the keys come from; after a Retry, the first one with a token does. */
export class ServerSight {
  #reader: ServerHelloReader | null = null;
  #proved = false;

  get isWanted(): boolean {
    return this.#reader?.isWanted ?? true;
  }

  get facts(): HandshakeFacts {
    return this.#reader?.facts ?? UNKNOWN;
  }

  sent(datagram: Buffer): void {
    const packet = readLongPacket(datagram);
    if (packet?.type !== 'initial') return;
    const proves = packet.token.length > 0;
    if (this.#reader && (this.#proved || !proves)) return;
    this.#proved = proves;
    this.#reader = new ServerHelloReader(packet.version, packet.dcid);
  }

  received(datagram: Buffer): void {
    this.#reader?.see(datagram);
  }
}

/** Null while the message is not whole, or where it is none. */
export function readServerHello(bytes: Buffer): HandshakeFacts | null {
  if (bytes.length < 4 || bytes[0] !== SERVER_HELLO) return null;
  const end = 4 + bytes.readUIntBE(1, 3);
  if (bytes.length < end || end < 39) return null;
  let at = 39 + bytes[38]!;
  if (at + 5 > end) return null;
  const suite = bytes.readUInt16BE(at);
  let group: number | null = null;
  for (at += 5; at + 4 <= end; ) {
    const size = bytes.readUInt16BE(at + 2);
    if (bytes.readUInt16BE(at) === KEY_SHARE && size >= 2 && at + 6 <= end) group = bytes.readUInt16BE(at + 4);
    at += 4 + size;
  }
  return { cipher: CIPHERS[suite] ?? named(suite), group: group === null ? null : (GROUPS[group] ?? named(group)) };
}

function named(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}
