/** Opens the server's handshake of a TLS 1.3 connection of our own, with the secret that OpenSSL tells for key logs (RFC 8446, sections 5.2 and 7.3). */
import { createDecipheriv, createHmac } from 'node:crypto';
import type { Unprotect } from './server-flight.ts';

const LABEL = /^SERVER_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]{64} ([0-9a-f]{64,96})\s*$/;
const TAG = 16;

const SUITES = {
  0x1301: { cipher: 'aes-128-gcm', hash: 'sha256', key: 16 },
  0x1302: { cipher: 'aes-256-gcm', hash: 'sha384', key: 32 },
  0x1303: { cipher: 'chacha20-poly1305', hash: 'sha256', key: 32 },
} as const;

/** The secret of a line in NSS format, where it is the server's of the handshake. */
export function serverHandshakeSecret(line: string): Buffer | null {
  const hex = LABEL.exec(line)?.[1];
  return hex === undefined ? null : Buffer.from(hex, 'hex');
}

/** Null for a suite that is not one of these. Records are opened in the order in which they came. */
export function unprotecting(suite: number, secret: Buffer): Unprotect | null {
  const found = SUITES[suite as keyof typeof SUITES] as (typeof SUITES)[keyof typeof SUITES] | undefined;
  if (!found) return null;
  const { cipher, hash } = found;
  const key = expandLabel(hash, secret, 'key', found.key);
  const iv = expandLabel(hash, secret, 'iv', 12);
  let sequence = 0;
  return (header, fragment) => {
    if (fragment.length <= TAG) return null;
    const nonce = Buffer.from(iv);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ sequence++) >>> 0, 8);
    try {
      const decipher = createDecipheriv(cipher as 'aes-128-gcm', key, nonce, { authTagLength: TAG });
      decipher.setAAD(header);
      decipher.setAuthTag(fragment.subarray(-TAG));
      const inner = Buffer.concat([decipher.update(fragment.subarray(0, -TAG)), decipher.final()]);
      let end = inner.length;
      while (end > 0 && inner[end - 1] === 0) end--;
      return end === 0 ? null : { type: inner[end - 1]!, content: inner.subarray(0, end - 1) };
    } catch {
      // Under other keys: the handshake is over.
      return null;
    }
  };
}

/** HKDF-Expand-Label; one block is enough for keys and nonces. */
function expandLabel(hash: string, secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([length >> 8, length & 0xff, name.length]), name, Buffer.from([0, 1])]);
  return createHmac(hash, secret).update(info).digest().subarray(0, length);
}
