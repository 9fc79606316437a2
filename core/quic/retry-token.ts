/** Tokens by which a client proves that it receives at its address (RFC 9000, section 8.1): sealed, short-lived, for one address. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Endpoint } from '../flow.ts';

const LIFETIME = 10_000;
const NONCE = 12;
const TAG = 16;
const TIME = 6;

export class RetryTokens {
  readonly #key = randomBytes(16);

  /** @param dcid the id that the client chose first; @param newDcid the one it is told to use. */
  issue(peer: Endpoint, dcid: Buffer, newDcid: Buffer): Buffer {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-128-gcm', this.#key, nonce).setAAD(context(peer, newDcid));
    const time = Buffer.alloc(TIME);
    time.writeUIntBE(Date.now(), 0, TIME);
    const sealed = Buffer.concat([cipher.update(Buffer.concat([time, dcid])), cipher.final()]);
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]);
  }

  /** The id that the client chose first; null where the token is not ours, not this client's, or too old. */
  redeem(token: Buffer, peer: Endpoint, dcid: Buffer): Buffer | null {
    if (token.length < NONCE + TIME + TAG) return null;
    const decipher = createDecipheriv('aes-128-gcm', this.#key, token.subarray(0, NONCE));
    decipher.setAAD(context(peer, dcid)).setAuthTag(token.subarray(token.length - TAG));
    const opened = decipher.update(token.subarray(NONCE, token.length - TAG));
    try {
      decipher.final();
    } catch {
      return null;
    }
    return Date.now() - opened.readUIntBE(0, TIME) > LIFETIME ? null : opened.subarray(TIME);
  }
}

function context({ address, port }: Endpoint, dcid: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${address} ${port} `), dcid]);
}
