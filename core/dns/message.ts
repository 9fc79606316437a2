/** The questions that a client asks, as far as they can be read, and responses to them (RFC 1035; EDNS: RFC 6891). */
import type { DnsRecord } from '../record-parts.ts';
import { lowerCase, Malformed, nameText } from './name.ts';
import { className, CODE, codeName, TYPE, typeName } from './numbers.ts';
import { dataText } from './rdata.ts';
import { FLAG, HEADER_BYTES, LONGEST_MESSAGE, questionAt, readMessage, writeMessage, type Sections, type WireRecord } from './wire.ts';

/** What comes with a client's question besides: the OPT record, and a signature that nobody asked for. */
const MAX_ADDITIONALS = 2;
/** What a client without EDNS takes (RFC 1035, section 4.2.1). */
const PLAIN_UDP_BYTES = 512;
/** The largest that we send: the guest's link does not break it up. */
const LARGEST_UDP_BYTES = 4_096;
/** What we take, as resolvers do (DNS flag day 2020). */
export const OUR_UDP_BYTES = 1_232;
/** Answers that a record lists at most. */
const MAX_LISTED = 1000;
const DNSSEC_OK = 0x8000;
const ROOT = Buffer.from([0]);

export interface Edns {
  readonly version: number;
  readonly payloadBytes: number;
  readonly dnssecOk: boolean;
}

export interface Question {
  /** Lower case, without the root's dot; empty for the root. What is not plain is escaped. */
  readonly name: string;
  /** In wire format, as it was asked. */
  readonly owner: Buffer;
  readonly type: number;
  readonly class: number;
  /** The question as it was asked; a client may check that its letters come back as they were. */
  readonly bytes: Buffer;
}

export interface Query {
  readonly id: number;
  readonly flags: number;
  /** The first one; null where it cannot be read. */
  readonly question: Question | null;
  readonly edns: Edns | null;
  /** Why it is no query that can be answered but with FORMERR; else null. */
  readonly fault: string | null;
}

export interface Response extends Sections {
  /** Of twelve bits. */
  readonly code: number;
  /** Bits of the header: `authoritative`, `authenticData`. */
  readonly flags: number;
  /** The answers are of our making. */
  readonly synthetic: boolean;
}

const EMPTY: Response = { code: CODE.NOERROR, flags: 0, synthetic: false, answers: [], authorities: [], additionals: [] };

export function emptyResponse(code: number): Response {
  return code === CODE.NOERROR ? EMPTY : { ...EMPTY, code };
}

/** Null for what must not be answered, because it is no message, or no query. */
export function decodeQuery(message: Buffer): Query | null {
  if (message.length < HEADER_BYTES) return null;
  const flags = message.readUInt16BE(2);
  if (flags & FLAG.response) return null;
  const query = { id: message.readUInt16BE(0), flags, question: null, edns: null };
  const questions = message.readUInt16BE(4);
  if (questions === 0) return { ...query, fault: 'it asks nothing' };
  let question: Question | null = null;
  try {
    question = readQuestion(message);
    if (questions > 1) return { ...query, question, fault: `it has ${questions} questions` };
    // Only the additional section may hold records in a query; anything else is no question of a resolver.
    if (message.readUInt32BE(6) !== 0) return { ...query, question, fault: 'it has answers' };
    if (message.readUInt16BE(10) > MAX_ADDITIONALS) return { ...query, question, fault: 'it has too many additional records' };
    const options = readMessage(message).additionals.filter(({ type }) => type === TYPE.OPT);
    if (options.length > 1) return { ...query, question, fault: 'it has two OPT records' };
    return { ...query, question, edns: options[0] ? ednsOf(options[0]) : null, fault: null };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { ...query, question, fault: error.message };
  }
}

function readQuestion(message: Buffer): Question {
  const { name, type, class: number, end } = questionAt(message, HEADER_BYTES);
  if (end - HEADER_BYTES !== name.length + 4) throw new Malformed('the name of its question is a pointer');
  return { name: lowerCase(nameText(name)), owner: name, type, class: number, bytes: message.subarray(HEADER_BYTES, end) };
}

/** An OPT record has the payload size for its class, and flags for its lifetime. */
export function ednsOf({ class: payloadBytes, ttl }: WireRecord): Edns & { readonly upperCode: number } {
  return { payloadBytes, version: (ttl >>> 16) & 0xff, dnssecOk: (ttl & DNSSEC_OK) !== 0, upperCode: ttl >>> 24 };
}

/** An OPT record without options: client subnets and cookies are not for others to see. */
export function optRecord(code: number, dnssecOk: boolean): WireRecord {
  return { owner: ROOT, type: TYPE.OPT, class: OUR_UDP_BYTES, ttl: (code >> 4) * 0x1000000 + (dnssecOk ? DNSSEC_OK : 0), data: Buffer.alloc(0) };
}

export interface Encoded {
  readonly bytes: Buffer;
  readonly truncated: boolean;
}

/** `transport` bounds the size: what does not fit over UDP is truncated, so that the client asks again over TCP. Throws `Malformed` where it does not fit there either. */
export function encodeResponse(query: Query, response: Response, transport: 'udp' | 'tcp'): Encoded {
  const limit = transport === 'tcp' ? LONGEST_MESSAGE : query.edns ? Math.min(Math.max(query.edns.payloadBytes, PLAIN_UDP_BYTES), LARGEST_UDP_BYTES) : PLAIN_UDP_BYTES;
  const bytes = encode(query, response, 0, limit);
  if (bytes) return { bytes, truncated: false };
  const cut = transport === 'udp' && encode(query, { ...response, answers: [], authorities: [], additionals: [] }, FLAG.truncated, limit);
  if (!cut) throw new Malformed('it is longer than 65,535 bytes');
  return { bytes: cut, truncated: true };
}

function encode({ id, flags: asked, question, edns }: Query, { code, flags, answers, authorities, additionals }: Response, truncated: number, limit: number): Buffer | null {
  const copied = asked & (FLAG.opcode | FLAG.recursionDesired | FLAG.checkingDisabled);
  const message = {
    id,
    flags: FLAG.response | copied | FLAG.recursionAvailable | flags | truncated | (code & FLAG.code),
    question: question?.bytes ?? null,
    answers,
    authorities,
    additionals: edns ? [...additionals, optRecord(code, edns.dnssecOk)] : additionals,
  };
  return writeMessage(message, limit);
}

/** What the record shows of a question and its answer; `response` is null where there was none. */
export function dnsRecord(transport: DnsRecord['transport'], query: Query | null, response: Pick<Response, 'code' | 'answers' | 'synthetic'> | null, truncated: boolean): DnsRecord {
  const { question = null, edns = null } = query ?? {};
  return {
    transport,
    name: question?.name ?? '',
    type: question ? typeName(question.type) : '',
    class: question ? className(question.class) : '',
    code: response && codeName(response.code),
    answers: truncated || !response ? [] : response.answers.slice(0, MAX_LISTED).map(answerRecord),
    synthetic: response?.synthetic ?? false,
    truncated,
    edns: edns && { version: edns.version, payload_size: edns.payloadBytes, dnssec_ok: edns.dnssecOk },
  };
}

function answerRecord({ owner, type, ttl, data }: WireRecord): DnsRecord['answers'][number] {
  return { name: nameText(owner), type: typeName(type), ttl, data: dataText(type, data) };
}
