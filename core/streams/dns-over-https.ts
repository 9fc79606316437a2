/**
 * DNS over HTTPS (RFC 8484), and its kin in JSON: the question and the answer of one flow, as its `dns` part. What is
 * answered stays as it came, real addresses and all: whoever dials them dials an address without a name.
 */
import { jsonAnswer, jsonQuestion } from '../dns/json-answer.ts';
import { decodeQuery, dnsRecord } from '../dns/message.ts';
import { Malformed } from '../dns/name.ts';
import { codeOf } from '../dns/passed-answer.ts';
import { FLAG, readMessage, type WireMessage } from '../dns/wire.ts';
import type { HttpFlow } from '../flows/http-flow.ts';
import type { RecordPart } from '../flows/record-part.ts';
import type { BodyWatcher, Tee } from '../flows/tee.ts';
import type { Headers } from '../headers.ts';
import type { DnsRecord, RecordParts } from '../record-parts.ts';
import { contentCodings } from '../recorder/content-coding.ts';
import { decoded } from './decoding.ts';
import type { StreamFormat } from './format.ts';
import { mediaTypeOf } from './media-type.ts';

const MESSAGE = 'application/dns-message';
/** Google's service says `application/json`, at this path. */
const JSON_TYPES: ReadonlySet<string> = new Set(['application/dns-json', 'application/json']);
const JSON_PATH = '/resolve';
/** Bytes of a message, or of its kin in JSON. */
const LONGEST = 65_535;

/** A short body; none where it is longer. */
class WholeBody implements BodyWatcher {
  onDrain: (() => void) | null = null;
  /** Calls back once, when all has come that will. */
  onEnd: (() => void) | null = null;
  isRead = false;
  readonly #tee: Tee;
  readonly #entry: BodyWatcher;
  #parts: Buffer[] = [];
  #size = 0;

  constructor(tee: Tee, headers: Headers) {
    this.#tee = tee;
    this.#entry = decoded(contentCodings(headers), this, () => this.#over());
    tee.watch(this.#entry);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  write(chunk: Buffer): boolean {
    this.#size += chunk.length;
    if (this.#size > LONGEST) this.#parts = [];
    // A copy: a slice would keep the whole read in memory.
    else this.#parts.push(Buffer.from(chunk));
    return true;
  }

  end(): void {
    this.#read();
  }

  /** Nothing more comes. @param done is called when what has come is decoded. */
  finish(done: () => void): void {
    if (this.isRead) return done();
    this.onEnd = done;
    if (!this.#tee.isWhole) this.#entry.end();
  }

  #over(): void {
    this.#parts = [];
    this.#read();
  }

  #read(): void {
    if (this.isRead) return;
    this.isRead = true;
    this.onEnd?.();
  }
}

class LookupReading implements RecordPart {
  readonly #asked: (() => Buffer) | DnsRecord;
  readonly #isSure: boolean;
  readonly #up: WholeBody | null;
  #down: WholeBody | null = null;

  /**
   * @param asked the question of the request, where it stands in its path; null where it is the body.
   * @param isSure false where only the answer tells that it was one.
   */
  constructor(flow: HttpFlow, asked: Buffer | DnsRecord | null, isSure = true) {
    const up = asked === null ? new WholeBody(flow.up, flow.request.headers) : null;
    this.#up = up;
    this.#isSure = isSure;
    this.#asked = up ? () => up.bytes : Buffer.isBuffer(asked) ? () => asked : asked!;
    flow.addPart(this);
  }

  respond(flow: HttpFlow): void {
    const type = mediaTypeOf(flow.response!.headers);
    if (typeof this.#asked === 'function' ? type === MESSAGE : JSON_TYPES.has(type)) this.#down = new WholeBody(flow.down, flow.response!.headers);
  }

  finish(done: (parts: RecordParts) => void): void {
    const bodies = [this.#up, this.#down].filter((body) => body !== null);
    let left = bodies.length;
    const read = (): void => {
      const dns = this.#record();
      done(dns ? { dns } : {});
    };
    if (left === 0) return read();
    for (const body of bodies) body.finish(() => --left === 0 && read());
  }

  #record(): DnsRecord | null {
    const answer = this.#down?.bytes ?? null;
    if (typeof this.#asked !== 'function') return (answer && jsonAnswer(this.#asked, answer.toString('utf8'))) ?? (this.#isSure ? this.#asked : null);
    const query = decodeQuery(this.#asked());
    if (query?.question == null) return null;
    const message = answer && messageOf(answer);
    if (!message) return dnsRecord('https', query, null, false);
    const record = dnsRecord('https', query, { code: codeOf(message), answers: message.answers, synthetic: false }, false);
    return { ...record, truncated: (message.flags & FLAG.truncated) !== 0 };
  }
}

function messageOf(bytes: Buffer): WireMessage | null {
  try {
    return readMessage(bytes);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

export const dnsOverHttps: StreamFormat = {
  onRequest(flow) {
    const { method, headers, path } = flow.request;
    if (method === 'POST') {
      if (mediaTypeOf(headers) === MESSAGE && flow.up.size === 0) new LookupReading(flow, null);
      return;
    }
    const query = path.indexOf('?');
    if (method !== 'GET' || query < 0) return;
    const asked = path.slice(query + 1);
    if (!/(?:^|&)(?:dns|name)=/.test(asked)) return;
    const parameters = new URLSearchParams(asked);
    const accept = headers.get('accept') ?? '';
    const message = parameters.get('dns');
    if (message !== null && accept.includes(MESSAGE)) return void new LookupReading(flow, Buffer.from(message, 'base64url'));
    const isSure = accept.includes('application/dns-json');
    if (!isSure && path.slice(0, query) !== JSON_PATH) return;
    const question = jsonQuestion(parameters);
    if (question) new LookupReading(flow, question, isSure);
  },
  onResponse(flow) {
    flow.parts?.find((part) => part instanceof LookupReading)?.respond(flow);
  },
};
