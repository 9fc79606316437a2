/** Takes the protection off Initial packets, whose keys anyone can derive (RFC 9001, section 5; RFC 9369, section 3.3). */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { QUIC_V2, type LongPacket } from './packet.ts';

const SALT_V1 = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex');
const SALT_V2 = Buffer.from('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'hex');
const TAG = 16;
const SAMPLE = 16;

export interface InitialKeys {
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly headerKey: Buffer;
}

/** @param dcid the destination connection id of the client's first Initial, or of its first one after a Retry. */
export function initialKeys(version: number, dcid: Buffer, side: 'client' | 'server'): InitialKeys {
  const isV2 = version === QUIC_V2;
  const secret = hmac(isV2 ? SALT_V2 : SALT_V1, dcid);
  const own = expandLabel(secret, `${side} in`, 32);
  const prefix = isV2 ? 'quicv2' : 'quic';
  return { key: expandLabel(own, `${prefix} key`, 16), iv: expandLabel(own, `${prefix} iv`, 12), headerKey: expandLabel(own, `${prefix} hp`, 16) };
}

/** The frames of an Initial packet; null where the keys do not fit, so for bytes that only look like one. The datagram stays as it is. */
export function openInitial(datagram: Buffer, packet: LongPacket, keys: InitialKeys): Buffer | null {
  const { numberAt, start, end } = packet;
  if (end - numberAt < 4 + SAMPLE) return null;
  const mask = createCipheriv('aes-128-ecb', keys.headerKey, null).setAutoPadding(false).update(datagram.subarray(numberAt + 4, numberAt + 4 + SAMPLE));
  const first = datagram[start]! ^ (mask[0]! & 0x0f);
  const numberLength = (first & 3) + 1;
  const header = Buffer.from(datagram.subarray(start, numberAt + numberLength));
  header[0] = first;
  const nonce = Buffer.from(keys.iv);
  for (let i = 0; i < numberLength; i++) {
    const at = header.length - numberLength + i;
    header[at]! ^= mask[1 + i]!;
    nonce[nonce.length - numberLength + i]! ^= header[at]!;
  }
  const payload = datagram.subarray(numberAt + numberLength, end);
  if (payload.length < TAG) return null;
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce);
  decipher.setAAD(header).setAuthTag(payload.subarray(payload.length - TAG));
  const opened = decipher.update(payload.subarray(0, payload.length - TAG));
  try {
    decipher.final();
    return opened;
  } catch {
    return null;
  }
}

/**
 * An Initial packet with these frames, at least `size` bytes long. @param number of the packet, below 256.
 * @param dcid and scid as the packet shows them; the keys are those of its sender's side.
 */
export function sealInitial(version: number, dcid: Buffer, scid: Buffer, frames: Buffer, keys: InitialKeys, number = 0, size = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = 0xc0 | (version === QUIC_V2 ? 0x10 : 0);
  head.writeUInt32BE(version, 1);
  const names = Buffer.concat([head, Buffer.from([dcid.length]), dcid, Buffer.from([scid.length]), scid, Buffer.from([0])]);
  const padded = Math.max(frames.length, size - names.length - 2 - 1 - TAG, 4);
  const payload = Buffer.concat([frames, Buffer.alloc(padded - frames.length)]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(0x4000 | (1 + payload.length + TAG));
  const header = Buffer.concat([names, length, Buffer.from([number])]);
  const nonce = Buffer.from(keys.iv);
  nonce[nonce.length - 1]! ^= number;
  const cipher = createCipheriv('aes-128-gcm', keys.key, nonce).setAAD(header);
  const packet = Buffer.concat([header, cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  const numberAt = header.length - 1;
  const mask = createCipheriv('aes-128-ecb', keys.headerKey, null).setAutoPadding(false).update(packet.subarray(numberAt + 4, numberAt + 4 + SAMPLE));
  packet[0]! ^= mask[0]! & 0x0f;
  packet[numberAt]! ^= mask[1]!;
  return packet;
}

function hmac(key: Buffer, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** HKDF-Expand-Label of TLS 1.3 (RFC 8446, section 7.1) for at most 32 bytes. */
function expandLabel(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`, 'latin1');
  return hmac(secret, Buffer.concat([Buffer.from([length >> 8, length & 0xff, name.length]), name, Buffer.from([0, 1])])).subarray(0, length);
}
