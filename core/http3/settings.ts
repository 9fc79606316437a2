/** SETTINGS of HTTP/3 (RFC 9114, section 7.2.4; RFC 9204, section 5; RFC 9220, section 3): ours, and the reading of a peer's. */
import { MAX_FIELDS, MAX_HEAD_BYTES } from '../http1/head.ts';
import { H3, Http3ConnectionError } from './error-code.ts';
import { FRAME } from './frame.ts';
import type { QpackLimits } from './qpack-decoder.ts';
import { readVarint, varintSize, varints } from './varint.ts';

const SETTING = { tableCapacity: 0x01, maxFieldSection: 0x06, blockedStreams: 0x07, connectProtocol: 0x08 } as const;
/** Identifiers that HTTP/2 has and HTTP/3 forbids (section 7.2.4.1). */
const OF_HTTP2: ReadonlySet<number> = new Set([0x02, 0x03, 0x04, 0x05]);
/** A reserved identifier, so that peers learn to pass over what they do not know. */
const RESERVED = 0x21 + 0x1f * 7;
/** Bytes of a peer's SETTINGS that are read. */
export const MAX_SETTINGS_BYTES = 4096;

/** What a peer may ask our memory for: 16 streams may wait with a section of 128 KiB each. */
export const OUR_LIMITS: QpackLimits = { capacity: 16_384, blockedStreams: 16, sectionSize: MAX_HEAD_BYTES, fields: MAX_FIELDS };

export interface PeerSettings {
  /** Bytes; Infinity where the peer sets no bound. */
  readonly maxFieldSection: number;
  /** Extended CONNECT may be sent to it (RFC 9220). */
  readonly takesUpgrades: boolean;
}

/** @param takesUpgrades extended CONNECT is offered, which is a server's to do. */
export function ourSettings(takesUpgrades: boolean): Buffer {
  const { capacity, blockedStreams, sectionSize } = OUR_LIMITS;
  const upgrades = takesUpgrades ? [SETTING.connectProtocol, 1] : [];
  const payload = varints(SETTING.tableCapacity, capacity, SETTING.maxFieldSection, sectionSize, SETTING.blockedStreams, blockedStreams, ...upgrades, RESERVED, 0);
  return Buffer.concat([varints(FRAME.settings, payload.length), payload]);
}

/** Throws `Http3ConnectionError`. */
export function readSettings(payload: Buffer): PeerSettings {
  let maxFieldSection = Infinity;
  let takesUpgrades = false;
  const seen = new Set<number>();
  let at = 0;
  const next = (): number => {
    if (at >= payload.length || at + varintSize(payload[at]!) > payload.length) throw new Http3ConnectionError(H3.frameError, 'SETTINGS are cut off');
    const value = readVarint(payload, at);
    at += varintSize(payload[at]!);
    return value;
  };
  while (at < payload.length) {
    const identifier = next();
    const value = next();
    if (OF_HTTP2.has(identifier)) throw new Http3ConnectionError(H3.settingsError, `the setting 0x${identifier.toString(16)} is one of HTTP/2`);
    if (seen.has(identifier)) throw new Http3ConnectionError(H3.settingsError, `the setting 0x${identifier.toString(16)} is there twice`);
    seen.add(identifier);
    if (identifier === SETTING.maxFieldSection) maxFieldSection = value;
    if (identifier !== SETTING.connectProtocol) continue;
    if (value > 1) throw new Http3ConnectionError(H3.settingsError, 'SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1');
    takesUpgrades = value === 1;
  }
  return { maxFieldSection, takesUpgrades };
}
