/** The beginning of a QUIC connection, collected until its ClientHello is whole: a large one comes in several datagrams. */
import type { ClientHello } from '../flow.ts';
import { readQuicHello } from '../peek/client-hello.ts';
import { CryptoStream } from './crypto-stream.ts';
import { initialKeys, openInitial, type InitialKeys } from './initial-keys.ts';
import { readLongPacket } from './packet.ts';

/** Datagrams that are kept for one hello. */
const MAX_DATAGRAMS = 64;
const MAX_BYTES = 96 * 1024;
/** Packets that one datagram is looked through for. */
const MAX_COALESCED = 16;

export class HelloAssembly {
  /** All that came, to be replayed. */
  readonly datagrams: Buffer[] = [];
  readonly version: number;
  readonly dcid: Buffer;
  readonly scid: Buffer;
  readonly #token: Buffer;
  readonly #crypto = new CryptoStream();
  readonly #keys: InitialKeys;
  #bytes = 0;

  /** Null where the datagram begins with no Initial packet of version 1 or 2 that its keys open. */
  static begin(datagram: Buffer): HelloAssembly | null {
    const packet = readLongPacket(datagram);
    if (packet?.type !== 'initial') return null;
    const keys = initialKeys(packet.version, packet.dcid, 'client');
    if (openInitial(datagram, packet, keys) === null) return null;
    return new HelloAssembly(packet, keys);
  }

  private constructor(packet: { version: number; dcid: Buffer; scid: Buffer; token: Buffer }, keys: InitialKeys) {
    this.version = packet.version;
    this.dcid = Buffer.from(packet.dcid);
    this.scid = Buffer.from(packet.scid);
    this.#token = Buffer.from(packet.token);
    this.#keys = keys;
  }

  /** The address validation token of the first packet; empty where there is none. */
  get token(): Buffer {
    return this.#token;
  }

  /** Takes a further datagram, the first one too. `invalid`: no hello will come of it. */
  add(datagram: Buffer): ClientHello | 'need-more' | 'invalid' {
    if (this.datagrams.length >= MAX_DATAGRAMS) return 'invalid';
    let isKept = false;
    let at = 0;
    for (let packets = 0; packets < MAX_COALESCED && at < datagram.length; packets++) {
      const packet = readLongPacket(datagram, at);
      if (!packet || packet.end <= at) break;
      at = packet.end;
      // They cannot be opened yet, and follow a hello.
      if (packet.type === '0rtt' && this.#bytes > 0) isKept = true;
      if (packet.type !== 'initial' || packet.version !== this.version || !packet.dcid.equals(this.dcid)) continue;
      const frames = openInitial(datagram, packet, this.#keys);
      if (frames === null) continue;
      isKept = true;
      if (!this.#crypto.take(frames)) return 'invalid';
    }
    if (isKept && !this.#keep(datagram)) return 'invalid';
    return readQuicHello(this.#crypto.bytes);
  }

  /** False where it is too much for one hello. What nobody could open would be dropped when it is replayed. */
  #keep(datagram: Buffer): boolean {
    if (this.#bytes + datagram.length > MAX_BYTES) return false;
    this.#bytes += datagram.length;
    this.datagrams.push(datagram);
    return true;
  }
}
