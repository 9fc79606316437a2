/** DNS messages in wire format (RFC 1035, section 4): the header, names and records. Nothing here knows what a type means, save for what `rdata.ts` says. */
import { uncompressedData } from './rdata.ts';
import { Malformed, nameAt } from './name.ts';

export const HEADER_BYTES = 12;
/** Bytes of a message: over TCP its length has sixteen bits. */
export const LONGEST_MESSAGE = 65_535;

export const FLAG = { response: 0x8000, opcode: 0x7800, authoritative: 0x0400, truncated: 0x0200, recursionDesired: 0x0100, recursionAvailable: 0x0080, authenticData: 0x0020, checkingDisabled: 0x0010, code: 0x000f } as const;

export interface WireRecord {
  /** In wire format, uncompressed, as the data are. */
  readonly owner: Buffer;
  readonly type: number;
  readonly class: number;
  /** Seconds; of OPT something else. */
  readonly ttl: number;
  readonly data: Buffer;
}

export interface WireQuestion {
  /** In wire format, its letters as they came. */
  readonly name: Buffer;
  readonly type: number;
  readonly class: number;
}

export interface Sections {
  readonly answers: readonly WireRecord[];
  readonly authorities: readonly WireRecord[];
  readonly additionals: readonly WireRecord[];
}

export interface WireMessage extends Sections {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly WireQuestion[];
}

/** Reads a whole message; what follows it is ignored. Throws `Malformed`. */
export function readMessage(message: Buffer): WireMessage {
  if (message.length < HEADER_BYTES) throw new Malformed('it is shorter than a header');
  const count = (at: number): number => message.readUInt16BE(at);
  const questions: WireQuestion[] = [];
  let at = HEADER_BYTES;
  for (let left = count(4); left > 0; left--) {
    const question = questionAt(message, at);
    questions.push(question);
    at = question.end;
  }
  const section = (size: number): WireRecord[] => {
    const records: WireRecord[] = [];
    for (let left = size; left > 0; left--) {
      const { record, end } = recordAt(message, at);
      records.push(record);
      at = end;
    }
    return records;
  };
  return { id: count(0), flags: count(2), questions, answers: section(count(6)), authorities: section(count(8)), additionals: section(count(10)) };
}

/** Throws `Malformed`. */
export function questionAt(message: Buffer, start: number): WireQuestion & { readonly end: number } {
  const { name, end } = nameAt(message, start);
  if (end + 4 > message.length) throw new Malformed('its question is cut off');
  return { name, type: message.readUInt16BE(end), class: message.readUInt16BE(end + 2), end: end + 4 };
}

function recordAt(message: Buffer, start: number): { record: WireRecord; end: number } {
  const { name, end: at } = nameAt(message, start);
  if (at + 10 > message.length) throw new Malformed('a record is cut off');
  const type = message.readUInt16BE(at);
  const from = at + 10;
  const end = from + message.readUInt16BE(at + 8);
  if (end > message.length) throw new Malformed('the data of a record are cut off');
  const record = { owner: name, type, class: message.readUInt16BE(at + 2), ttl: message.readUInt32BE(at + 4), data: uncompressedData(type, message, from, end) };
  return { record, end };
}

export interface UnwrittenMessage extends Sections {
  readonly id: number;
  readonly flags: number;
  /** Written as its bytes are. */
  readonly question: Buffer | null;
}

/**
 * Writes a message; null where it has more than `limit` bytes, `LONGEST_MESSAGE` at most. Owners are compressed, names within data are not, so that
 * a message may be longer than the one that it was read from.
 */
export function writeMessage({ id, flags, question, answers, authorities, additionals }: UnwrittenMessage, limit = LONGEST_MESSAGE): Buffer | null {
  const header = Buffer.alloc(HEADER_BYTES);
  const parts: Buffer[] = [header];
  let size = HEADER_BYTES;
  const put = (part: Buffer): void => {
    parts.push(part);
    size += part.length;
  };
  /** Where each name, and each of its endings, lies. */
  const places = new Map<string, number>();
  const putName = (name: Buffer): void => {
    let at = 0;
    for (let length = name[at]!; length > 0; at += length + 1, length = name[at]!) {
      const ending = name.toString('latin1', at);
      const place = places.get(ending);
      if (place !== undefined) {
        put(name.subarray(0, at));
        return put(Buffer.from([0xc0 | (place >> 8), place & 0xff]));
      }
      // A pointer has fourteen bits.
      if (size + at < 0x4000) places.set(ending, size + at);
    }
    put(name);
  };
  if (question !== null) {
    putName(question.subarray(0, question.length - 4));
    put(question.subarray(question.length - 4));
  }
  for (const record of [...answers, ...authorities, ...additionals]) {
    putName(record.owner);
    if (size + 10 + record.data.length > limit) return null;
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(record.type, 0);
    fixed.writeUInt16BE(record.class, 2);
    fixed.writeUInt32BE(record.ttl, 4);
    fixed.writeUInt16BE(record.data.length, 8);
    put(fixed);
    put(record.data);
  }
  if (size > limit) return null;
  [id, flags, question === null ? 0 : 1, answers.length, authorities.length, additionals.length].forEach((value, i) => header.writeUInt16BE(value, 2 * i));
  return Buffer.concat(parts, size);
}
