/** What a handshake has agreed on beside the protocol itself: `Sec-WebSocket-Extensions` (RFC 6455, section 9.1). */

/** `permessage-deflate` for one direction (RFC 7692, section 7.1). */
export interface DeflateAgreement {
  /** Each message may refer to those before it. */
  readonly takeover: boolean;
  /** The base-2 logarithm of the window: 8 to 15. */
  readonly windowBits: number;
}

export interface DeflateAgreements {
  readonly client: DeflateAgreement;
  readonly server: DeflateAgreement;
}

const MOST_BITS = 15;

/** The agreement on `permessage-deflate` in the server's answer; null where there is none. */
export function deflateOf(extensions: string | null): DeflateAgreements | null {
  for (const extension of extensions?.split(',') ?? []) {
    const [name, ...parameters] = extension.split(';').map((part) => part.trim());
    if (name!.toLowerCase() !== 'permessage-deflate') continue;
    const values = new Map(parameters.map((parameter) => {
      const [key, value] = parameter.split('=', 2);
      return [key!.trim().toLowerCase(), value?.trim().replaceAll('"', '')];
    }));
    const of = (side: 'client' | 'server'): DeflateAgreement => ({
      takeover: !values.has(`${side}_no_context_takeover`),
      windowBits: bits(values.get(`${side}_max_window_bits`)),
    });
    return { client: of('client'), server: of('server') };
  }
  return null;
}

/** What is no number of bits makes no window smaller. */
function bits(value: string | undefined): number {
  return value !== undefined && /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : MOST_BITS;
}
