/** Error codes of HTTP/3 (RFC 9114, section 8.1) and QPACK (RFC 9204, section 6), and what is thrown where a peer has earned one. */
export const H3 = {
  noError: 0x100,
  generalProtocolError: 0x101,
  internalError: 0x102,
  streamCreationError: 0x103,
  closedCriticalStream: 0x104,
  frameUnexpected: 0x105,
  frameError: 0x106,
  excessiveLoad: 0x107,
  idError: 0x108,
  settingsError: 0x109,
  missingSettings: 0x10a,
  requestRejected: 0x10b,
  requestCancelled: 0x10c,
  requestIncomplete: 0x10d,
  messageError: 0x10e,
  versionFallback: 0x110,
  qpackDecompressionFailed: 0x200,
  qpackEncoderStreamError: 0x201,
  qpackDecoderStreamError: 0x202,
} as const;

/** The connection is not to go on. */
export class Http3ConnectionError extends Error {
  override readonly name = 'Http3ConnectionError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** One stream is not to go on; the others are. */
export class Http3StreamError extends Error {
  override readonly name = 'Http3StreamError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const NAMES = new Map<number, string>(Object.entries(H3).map(([name, code]) => [code, `H3_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`.replace('H3_QPACK', 'QPACK')]));

/** The code in the words of the RFC, such as `H3_REQUEST_CANCELLED`. */
export function codeName(code: number): string {
  return NAMES.get(code) ?? `0x${code.toString(16)}`;
}
