/** What a guest gets of the answer that a resolver of the host gave to its question. */
import { Malformed, sameNames } from './name.ts';
import { CODE, TYPE } from './numbers.ts';
import { ednsOf, type Question, type Response } from './message.ts';
import { servedParameters } from './service-parameters.ts';
import { FLAG, HEADER_BYTES, questionAt, readMessage, type WireMessage, type WireRecord } from './wire.ts';

/** Real addresses lead past the names; what belongs to one message alone is not passed on. */
const LEFT_OUT: ReadonlySet<number> = new Set([TYPE.A, TYPE.AAAA, TYPE.OPT, TYPE.TSIG, TYPE.TKEY]);
const SIGNATURES: ReadonlySet<number> = new Set([TYPE.SIG, TYPE.RRSIG]);
const NOT_UNDERSTOOD: ReadonlySet<number> = new Set([CODE.FORMERR, CODE.NOTIMP]);
const NOTHING = { questions: [], answers: [], authorities: [], additionals: [] } as const;
const SERVICES: ReadonlySet<number> = new Set([TYPE.SVCB, TYPE.HTTPS]);

/**
 * Null where the message is no answer to the question with this id. Of one that was cut, only the header is read. A server that did not
 * understand the question may send nothing but a header.
 */
export function answerTo(question: Question, id: number, message: Buffer): WireMessage | null {
  try {
    if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== id) return null;
    const flags = message.readUInt16BE(2);
    if (message.length === HEADER_BYTES && flags & FLAG.response && NOT_UNDERSTOOD.has(flags & FLAG.code)) return { id, flags: flags & ~FLAG.truncated, ...NOTHING };
    if (message.readUInt16BE(4) !== 1) return null;
    const asked = questionAt(message, HEADER_BYTES);
    if ((flags & FLAG.response) === 0 || asked.type !== question.type || asked.class !== question.class || !sameNames(asked.name, question.owner)) return null;
    if (flags & FLAG.truncated) return { id, flags, ...NOTHING, questions: [asked] };
    return readMessage(message);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** All of twelve bits. */
export function codeOf({ flags, additionals }: WireMessage): number {
  const opt = additionals.find(({ type }) => type === TYPE.OPT);
  return (flags & FLAG.code) | (opt ? ednsOf(opt).upperCode << 4 : 0);
}

/**
 * Without addresses, and with service records that hold neither addresses nor the keys of Encrypted ClientHello: the
 * client asks for the addresses, and gets ours. A set of records that was changed is not signed any more, and an
 * answer with one is not authentic. Throws `Malformed`.
 * @param http3 the client can reach us by it.
 */
export function passedAnswer(answer: WireMessage, http3: boolean): Response {
  let isChanged = false;
  const unsigned = new Set<number>([TYPE.A, TYPE.AAAA]);
  const changed = (records: readonly WireRecord[]): WireRecord[] =>
    records.flatMap((record) => {
      if (LEFT_OUT.has(record.type)) {
        isChanged ||= record.type === TYPE.A || record.type === TYPE.AAAA;
        return [];
      }
      if (!SERVICES.has(record.type)) return [record];
      const data = servedParameters(record.data, http3);
      if (data === record.data) return [record];
      isChanged = true;
      unsigned.add(record.type);
      return data === null ? [] : [{ ...record, data }];
    });
  const sections = { answers: changed(answer.answers), authorities: changed(answer.authorities), additionals: changed(answer.additionals) };
  const signed = (records: readonly WireRecord[]): WireRecord[] => records.filter(({ type, data }) => !SIGNATURES.has(type) || data.length < 2 || !unsigned.has(data.readUInt16BE(0)));
  return {
    code: codeOf(answer),
    flags: answer.flags & (isChanged ? FLAG.authoritative : FLAG.authoritative | FLAG.authenticData),
    synthetic: false,
    answers: signed(sections.answers),
    authorities: signed(sections.authorities),
    additionals: signed(sections.additionals),
  };
}
