/** Masks what protocols add to a record: messages and first bytes, in the record and in the files that it names. */
import type { CompletedFlow, DataRecord, FlowRecord, MessageList, MessageRecord } from '../../core/index.ts';
import { maskBodyFile } from './body-file.ts';
import { mapLines } from './line-map.ts';
import { maskText } from './mask.ts';
import { maskCredentials } from './raw-credentials.ts';
import { PARTS, maskValue } from './record-mask.ts';
import type { RedactRules } from './rules.ts';

/** Something of which nothing, or no file, is left. */
export interface Dropped {
  readonly part: string;
  readonly reason: string;
}

type List = MessageList<MessageRecord>;
/** Beginnings of what is compressed: gzip, Zstandard. */
const COMPRESSED = /^(?:H4s|KLUv)/;

/** The parts of a record that a protocol added, by name. */
function partsOf(record: FlowRecord): [string, object][] {
  return PARTS.flatMap((name): [string, object][] => (record[name] ? [[name, record[name]]] : []));
}

export class PartMask {
  /** Secrets masked. */
  masked = 0;
  readonly dropped: Dropped[] = [];
  readonly #flow: CompletedFlow;
  readonly #rules: RedactRules;

  constructor(flow: CompletedFlow, rules: RedactRules) {
    this.#flow = flow;
    this.#rules = rules;
  }

  /** Masks all parts of the flow's record. */
  async mask(): Promise<void> {
    for (const [name, part] of partsOf(this.#flow.record)) {
      if (isList(part)) await this.#list(name, part);
      if (name === 'tcp') this.#credentials();
      for (const value of Object.values(part)) if (isData(value)) await this.#data(name, value, false);
    }
  }

  /** Takes away all files that the parts name. What is left of them must not be shown. */
  async purge(): Promise<void> {
    for (const [, part] of partsOf(this.#flow.record)) {
      if (isList(part)) await this.#purgeList(part);
      for (const value of Object.values(part)) if (isData(value)) await this.#removeFile(value);
    }
  }

  /** In the first bytes of a raw connection. */
  #credentials(): void {
    const { tcp } = this.#flow.record;
    for (const direction of ['up', 'down'] as const) {
      const shown = tcp![direction];
      if (shown.data === null || shown.data_encoding === null) continue;
      const masked = maskCredentials(tcp!.protocol, direction, Buffer.from(shown.data, shown.data_encoding));
      if (masked === null) {
        this.dropped.push({ part: 'tcp', reason: `credentials cannot be told apart in what a client of ${tcp!.protocol} sends` });
        dropData(shown);
      } else if (masked.count > 0) {
        shown.data = masked.bytes.toString(shown.data_encoding);
      }
      this.masked += masked?.count ?? 1;
    }
  }

  async #list(name: string, list: List): Promise<void> {
    const unreadable = (message: MessageRecord): boolean => this.#isUnreadable(name, list, message);
    const file = list.messages_file;
    if (file === null) {
      for (const message of list.messages) await this.#data(name, message, unreadable(message));
      return;
    }
    // The file begins with the messages that the record lists.
    let taken = 0;
    list.messages_file = null;
    try {
      list.messages_file = await this.#flow.rewriteFile(file, mapLines({
        map: async (line) => {
          const before = this.masked + this.dropped.length;
          const message = this.#texts(JSON.parse(line) as MessageRecord);
          const named = message.data_file;
          await this.#data(name, message, unreadable(message));
          if (taken < list.messages.length) list.messages[taken] = message;
          taken += 1;
          return this.masked + this.dropped.length === before && message.data_file === named ? line : JSON.stringify(message);
        },
        drop: async (line) => this.#removeFile(JSON.parse(line) as MessageRecord),
      }));
    } catch (error) {
      this.dropped.push({ part: name, reason: `its file of messages: ${(error as Error).message}` });
      for (const message of list.messages.slice(taken)) {
        message.data_file = null;
        await this.#data(name, message, unreadable(message));
      }
    }
  }

  /** The texts of a message beside its data. */
  #texts(message: MessageRecord): MessageRecord {
    const { value, count } = maskValue(message, this.#rules, 0);
    this.masked += count;
    return value as MessageRecord;
  }

  async #data(part: string, record: DataRecord, unreadable: boolean): Promise<void> {
    if (unreadable) {
      this.dropped.push({ part, reason: 'a message could not be uncompressed' });
      dropData(record);
      return this.#removeFile(record);
    }
    const finders = this.#rules.body(undefined);
    const isBase64 = record.data_encoding === 'base64';
    const shown = maskText(isBase64 ? Buffer.from(record.data ?? '', 'base64').toString('latin1') : (record.data ?? ''), finders);
    if (shown.count > 0) record.data = isBase64 ? Buffer.from(shown.text, 'latin1').toString('base64') : shown.text;
    this.masked += shown.count;
    const file = record.data_file;
    if (file === null) return;
    record.data_file = null;
    try {
      let inFile = 0;
      record.data_file = await this.#flow.rewriteFile(file, maskBodyFile([], finders, (count) => (inFile = count)));
      if (shown.count === 0) this.masked += inFile;
      // The name of the file is the hash of what it held.
      if (shown.count > 0 && record.data_file === file) throw new Error('what was masked in its text was not found in its file');
    } catch (error) {
      this.dropped.push({ part, reason: (error as Error).message });
      await this.#removeFile(record);
    }
  }

  /** True where the data may still be compressed: what is in them cannot be seen here, but by anyone who undoes it. */
  #isUnreadable(name: string, list: List, message: MessageRecord): boolean {
    if (!(message as { compressed?: boolean }).compressed || message.data_encoding !== 'base64') return false;
    if (name !== 'grpc') return (list as { fault?: string | null }).fault !== null;
    const { request, response } = this.#flow.record;
    const fields = (message.from === 'client' ? request : response)?.headers ?? [];
    const coding = fields.find(([field]) => field.toLowerCase() === 'grpc-encoding')?.[1].trim().toLowerCase();
    return !['gzip', 'deflate', 'zstd'].includes(coding ?? '') || COMPRESSED.test(message.data ?? '');
  }

  async #purgeList(list: List): Promise<void> {
    const { messages_file } = list;
    list.messages_file = null;
    if (messages_file === null) {
      for (const message of list.messages) await this.#removeFile(message);
      return;
    }
    const drop = async (line: string): Promise<void> => this.#removeFile(JSON.parse(line) as MessageRecord);
    const refuse = async (line: string): Promise<string> => {
      await drop(line);
      throw new Error('not kept');
    };
    await this.#flow.rewriteFile(messages_file, mapLines({ map: refuse, drop })).catch(() => {});
  }

  async #removeFile(record: DataRecord): Promise<void> {
    const file = record.data_file;
    record.data_file = null;
    if (file === null) return;
    const refuse = (): never => {
      throw new Error('not kept');
    };
    await this.#flow.rewriteFile(file, refuse).catch(() => {});
  }
}

function dropData(record: DataRecord): void {
  record.data = null;
  record.data_encoding = null;
  record.data_truncated = true;
}

function isList(part: object): part is List {
  return 'messages_file' in part;
}

function isData(value: unknown): value is DataRecord {
  return typeof value === 'object' && value !== null && 'data_encoding' in value;
}
