/** A body as the record shows it: decoded, as text where it is text and in base64 where not. */
import { isAscii, isUtf8 } from 'node:buffer';
import { Headers } from '../headers.ts';
import { contentCodings, decode, decodeNow, type ContentCoding, type Decoded } from './content-coding.ts';

/** Encoded bodies up to this size are decoded at once, those above it in the thread pool. Bytes. */
const DECODE_NOW = 16 * 1024;
/** What decoding at once may give, so that it holds nobody up. Bytes. */
const DECODED_NOW = 256 * 1024;
const PARALLEL = 4;
/** Encoded bytes that may wait for their turn; a body that comes on top of them is shown as it is. */
const WAITING_LIMIT = 64 * 1024 * 1024;

export interface BodyText {
  readonly body: string;
  readonly body_encoding: 'utf8' | 'base64';
  /** Codings undone, outermost first. */
  readonly body_decoded: readonly ContentCoding[];
  /** True where the decoded body is longer than what is shown, or broken off. */
  readonly cut: boolean;
}

const NONE: readonly ContentCoding[] = [];

/** Turns captured bytes into text; keeps the number of decoders at work, and the bytes that wait for one, bounded. */
export class BodyReader {
  /** Bodies that were shown undecoded, for too many were waiting. */
  overloaded = 0;
  readonly #limit: number;
  readonly #queue: { bytes: Buffer; codings: readonly ContentCoding[]; done: (decoded: Decoded) => void }[] = [];
  #waiting = 0;
  #running = 0;

  /** `limit`: bytes of the decoded body that are shown. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `cut`: the bytes are only the beginning. Calls back in the same turn unless there is much to decode. */
  read(bytes: Buffer, headers: Headers, cut: boolean, done: (text: BodyText) => void): void {
    const type = headers.get('content-type');
    const codings = contentCodings(headers);
    if (codings.length === 0) return done(showBody(bytes, type, NONE, cut));
    if (bytes.length <= DECODE_NOW) {
      const decoded = decodeNow(bytes, codings, Math.min(DECODED_NOW, this.#limit));
      if (decoded !== null) return done(showBody(decoded, type, codings, cut));
    }
    if (this.#waiting + bytes.length > WAITING_LIMIT) {
      this.overloaded += 1;
      return done(showBody(bytes, undefined, NONE, cut));
    }
    this.#waiting += bytes.length;
    this.#queue.push({ bytes, codings, done: (decoded) => done(showBody(decoded.bytes, type, decoded.undone, cut || decoded.cut)) });
    this.#next();
  }

  #next(): void {
    if (this.#running >= PARALLEL) return;
    const job = this.#queue.shift();
    if (job === undefined) return;
    this.#running += 1;
    decode(job.bytes, job.codings, this.#limit, (decoded) => {
      this.#running -= 1;
      this.#waiting -= job.bytes.length;
      this.#next();
      job.done(decoded);
    });
  }
}

/**
 * Text where the bytes are text: by the `charset` of a textual type, else where they are UTF-8 without a NUL.
 * A character that is cut in two at the end is left out.
 */
export function showBody(bytes: Buffer, contentType: string | undefined, undone: readonly ContentCoding[], cut: boolean): BodyText {
  const label = contentType === undefined ? undefined : charsetOf(contentType);
  const text = label === undefined ? utf8Of(bytes, cut) : textOf(bytes, label, cut);
  return text === undefined
    ? { body: bytes.toString('base64'), body_encoding: 'base64', body_decoded: undone, cut }
    : { body: text, body_encoding: 'utf8', body_decoded: undone, cut };
}

function utf8Of(bytes: Buffer, cut: boolean): string | undefined {
  if (bytes.includes(0)) return undefined;
  if (isAscii(bytes)) return bytes.toString('latin1');
  const whole = cut ? bytes.subarray(0, bytes.length - splitCharacter(bytes)) : bytes;
  return isUtf8(whole) ? whole.toString('utf8') : undefined;
}

function textOf(bytes: Buffer, label: string, cut: boolean): string | undefined {
  try {
    return new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
  } catch {
    return utf8Of(bytes, cut);
  }
}

/** The charset of a textual type where it is not UTF-8; `undefined` stands for UTF-8. */
function charsetOf(contentType: string): string | undefined {
  const at = contentType.search(/;\s*charset=/i);
  if (at === -1 || !/^\s*(?:text\/|application\/(?:[\w.+-]*[+.-])?(?:json|xml|javascript|x-www-form-urlencoded)\s*;)/i.test(contentType)) return undefined;
  const label = contentType.slice(contentType.indexOf('=', at) + 1).split(';', 1)[0]!.trim().replaceAll('"', '').toLowerCase();
  return label === 'utf-8' || label === 'utf8' || label === 'us-ascii' ? undefined : label;
}

/** The number of bytes at the end that begin a UTF-8 character and do not complete it: 0 to 3. */
export function splitCharacter(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
