/** DNS messages (RFC 1035, EDNS of RFC 6891): the questions that a client asks, and our answers. Nobody else sees the codec. */
import * as codec from 'dns-packet';

export type ResponseCode = keyof typeof RESPONSE_CODES;

const RESPONSE_CODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;

const HEADER_BYTES = 12;
const IS_RESPONSE = 0x8000;
const OPCODE = 0x7800;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;
const TRUNCATED = 0x0200;
/** What fits everywhere without fragments (DNS flag day 2020), and what a client without EDNS takes. */
const MAX_UDP_BYTES = 1_232;
const PLAIN_UDP_BYTES = 512;

export interface Query {
  readonly id: number;
  readonly flags: number;
  /** Null where the message is no well-formed single question. */
  readonly question: Question | null;
  readonly edns: { readonly payloadBytes: number; readonly version: number } | null;
}

export interface Question {
  /** Lower case, without the root's dot; empty for the root. */
  readonly name: string;
  /** Such as `A`, or `UNKNOWN_65280`. */
  readonly type: string;
  /** `IN` but for curiosities. */
  readonly class: string;
  /** The question as it was asked; a client may check that its letters come back as they were. */
  readonly bytes: Buffer;
}

export type Answer =
  | { readonly type: 'A' | 'AAAA'; readonly name: string; readonly ttl: number; readonly data: string }
  | { readonly type: 'PTR'; readonly name: string; readonly ttl: number; readonly data: string };

export interface Response {
  readonly code: ResponseCode;
  readonly answers?: readonly Answer[];
}

/** Null for what must not be answered: no header, or no query. */
export function decodeQuery(message: Buffer): Query | null {
  if (message.length < HEADER_BYTES) return null;
  const flags = message.readUInt16BE(2);
  if (flags & IS_RESPONSE) return null;
  const query = { id: message.readUInt16BE(0), flags, question: null, edns: null };
  // Only the additional section may hold records in a query; anything else is no question of a resolver.
  if (message.readUInt16BE(4) !== 1 || message.readUInt32BE(6) !== 0 || message.readUInt16BE(10) > 2) return query;
  try {
    const { questions, additionals } = codec.decode(message);
    const [question] = questions ?? [];
    const bytes = questionBytes(message);
    if (!question || !bytes) return query;
    const opt = additionals?.find((record) => record.type === 'OPT') as codec.OptAnswer | undefined;
    return {
      ...query,
      question: { name: question.name === '.' ? '' : question.name.toLowerCase(), type: question.type, class: String(question.class), bytes },
      edns: opt ? { payloadBytes: opt.udpPayloadSize, version: opt.ednsVersion } : null,
    };
  } catch {
    return query;
  }
}

export function isStandardQuery(query: Query): boolean {
  return (query.flags & OPCODE) === 0;
}

/** `transport` bounds the size: what does not fit over UDP is truncated, so that the client asks again over TCP. */
export function encodeResponse(query: Query, { code, answers = [] }: Response, transport: 'udp' | 'tcp'): Buffer {
  const limit = transport === 'tcp' ? 65_535 : query.edns ? Math.min(Math.max(query.edns.payloadBytes, PLAIN_UDP_BYTES), MAX_UDP_BYTES) : PLAIN_UDP_BYTES;
  const whole = encode(query, code, answers, 0);
  return whole.length <= limit ? whole : encode(query, code, [], TRUNCATED);
}

function encode(query: Query, code: ResponseCode, answers: readonly Answer[], extraFlags: number): Buffer {
  const number = RESPONSE_CODES[code];
  const additionals = query.edns
    ? [{ type: 'OPT' as const, name: '.', udpPayloadSize: MAX_UDP_BYTES, extendedRcode: number >> 4, ednsVersion: 0, flags: 0, flag_do: false, options: [] }]
    : [];
  const flags = (query.flags & (OPCODE | RECURSION_DESIRED)) | RECURSION_AVAILABLE | extraFlags | (number & 15);
  // The codec writes no compression pointers, so the question's own bytes can be put in after the header.
  const message = codec.encode({ type: 'response', id: query.id, flags, answers: answers as codec.Answer[], additionals: additionals as codec.Answer[] });
  if (!query.question) return message;
  message.writeUInt16BE(1, 4);
  return Buffer.concat([message.subarray(0, HEADER_BYTES), query.question.bytes, message.subarray(HEADER_BYTES)]);
}

/** The question's bytes; null where its name holds a pointer (it can point to nothing) or bytes that text does not hold. */
function questionBytes(message: Buffer): Buffer | null {
  let end = HEADER_BYTES;
  for (let labels = 0; labels < 128; labels += 1) {
    const length = message[end];
    if (length === undefined || length > 63) return null;
    end += length + 1;
    if (length === 0) return end + 4 <= message.length ? message.subarray(HEADER_BYTES, end + 4) : null;
    if (message.subarray(end - length, end).some((byte) => byte <= 0x20 || byte >= 0x7f || byte === 0x2e)) return null;
  }
  return null;
}
