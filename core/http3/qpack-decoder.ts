/**
 * The reading side of QPACK (RFC 9204): the peer's encoder stream fills a dynamic table, field sections refer to it and to
 * the static one, and the decoder stream tells the peer what has come. A section that came before what it refers to waits.
 */
import { DynamicTable, ENTRY_OVERHEAD } from './dynamic-table.ts';
import { H3, Http3ConnectionError } from './error-code.ts';
import { InstructionReader, OVERLARGE, UNFINISHED } from './instruction-reader.ts';
import { STATIC_TABLE } from './static-table.ts';

export interface QpackLimits {
  /** Bytes of the dynamic table, and streams that may wait for it: what our SETTINGS say. */
  readonly capacity: number;
  readonly blockedStreams: number;
  /** Bytes of a field section as RFC 9114, section 4.2.2, counts them, and fields in it. */
  readonly sectionSize: number;
  readonly fields: number;
}

interface BlockedSection {
  readonly stream: number;
  readonly required: number;
  readonly section: Buffer;
  readonly done: (fields: string[] | null) => void;
}

export class QpackDecoder {
  readonly #limits: QpackLimits;
  readonly #table: DynamicTable;
  readonly #send: (instruction: Buffer) => void;
  readonly #reader = new InstructionReader();
  #blocked: BlockedSection[] = [];
  /** Bytes of an instruction that is not whole yet. */
  #partial: Buffer | null = null;

  /** @param send writes to the decoder stream. */
  constructor(limits: QpackLimits, send: (instruction: Buffer) => void) {
    this.#limits = limits;
    this.#table = new DynamicTable(limits.capacity);
    this.#send = send;
  }

  /** Takes bytes of the peer's encoder stream. Throws `Http3ConnectionError`. */
  readEncoderStream(chunk: Buffer): void {
    const before = this.#table.inserted;
    const bytes = this.#partial ? Buffer.concat([this.#partial, chunk]) : chunk;
    const reader = this.#reader;
    reader.begin(bytes);
    let whole = 0;
    while (!reader.isDone && this.#instruction()) whole = reader.at;
    this.#partial = whole < bytes.length ? Buffer.from(bytes.subarray(whole)) : null;
    const came = this.#table.inserted - before;
    if (came === 0) return;
    this.#send(instruction(0x00, 6, came));
    this.#unblock();
  }

  /**
   * Reads a field section: name and value in turn, null where it is larger than the limits. Calls back at once, or when what
   * it refers to has come. Throws `Http3ConnectionError`.
   */
  decode(stream: number, section: Buffer, done: (fields: string[] | null) => void): void {
    const required = this.#requiredInserts(section);
    if (required <= this.#table.inserted) return done(this.#fields(stream, required));
    if (this.#blocked.length >= this.#limits.blockedStreams) throw failed('more streams are blocked than we allow');
    this.#blocked.push({ stream, required, section: Buffer.from(section), done });
  }

  /** The rest of a stream will not be read (section 4.4.2). */
  cancel(stream: number): void {
    this.#blocked = this.#blocked.filter((blocked) => blocked.stream !== stream);
    this.#send(instruction(0x40, 6, stream));
  }

  #unblock(): void {
    if (this.#blocked.length === 0) return;
    const ready = this.#blocked.filter(({ required }) => required <= this.#table.inserted);
    if (ready.length === 0) return;
    this.#blocked = this.#blocked.filter(({ required }) => required > this.#table.inserted);
    for (const { stream, section, done } of ready) {
      done(this.#fields(stream, this.#requiredInserts(section)));
    }
  }

  /** Carries out one instruction of section 4.3; false where it is not whole. */
  #instruction(): boolean {
    const reader = this.#reader;
    const table = this.#table;
    const { first } = reader;
    if (first & 0x80) {
      const index = this.#operand(6);
      if (index === UNFINISHED) return false;
      const name = first & 0x40 ? STATIC_TABLE[index]?.[0] : this.#recentName(index);
      if (name === undefined) throw streamError('a name is not in the table');
      return this.#insert(name);
    }
    if (first & 0x40) {
      const name = this.#operandString(5);
      return name !== null && this.#insert(name);
    }
    if (first & 0x20) {
      const capacity = this.#operand(5);
      if (capacity === UNFINISHED) return false;
      if (!table.resize(capacity)) throw streamError('the table is larger than we allow');
      return true;
    }
    const index = this.#operand(5);
    if (index === UNFINISHED) return false;
    const name = this.#recentName(index);
    if (name === undefined) throw streamError('an entry to duplicate is not in the table');
    if (!table.insert(name, table.value(table.inserted - 1 - index))) throw streamError('an entry is larger than the table');
    return true;
  }

  #insert(name: string): boolean {
    const value = this.#operandString(7);
    if (value === null) return false;
    if (!this.#table.insert(name, value)) throw streamError('an entry is larger than the table');
    return true;
  }

  #recentName(index: number): string | undefined {
    const absolute = this.#table.inserted - 1 - index;
    return this.#table.has(absolute) ? this.#table.name(absolute) : undefined;
  }

  #operand(bits: number): number {
    const value = this.#reader.integer(bits);
    if (value === OVERLARGE) throw streamError('an integer is too large');
    return value;
  }

  #operandString(bits: number): string | null {
    // In Huffman's code a string may be longer than the entry that it makes: up to 30 bits an octet.
    const text = this.#reader.string(bits, this.#limits.capacity * 4);
    if (text === null && this.#reader.fault !== null) throw streamError(this.#reader.fault);
    return text;
  }

  /** Begins to read a section: its Required Insert Count (section 4.5.1.1). */
  #requiredInserts(section: Buffer): number {
    const reader = this.#reader;
    reader.begin(section);
    const encoded = reader.integer(8);
    if (encoded < 0) throw failed('the section has no whole prefix');
    if (encoded === 0) return 0;
    const { maxEntries, inserted } = this.#table;
    const fullRange = 2 * maxEntries;
    if (encoded > fullRange) throw failed('the insert count is out of range');
    const most = inserted + maxEntries;
    let required = Math.floor(most / fullRange) * fullRange + encoded - 1;
    if (required > most) {
      if (required <= fullRange) throw failed('the insert count is out of range');
      required -= fullRange;
    }
    if (required === 0) throw failed('the insert count is out of range');
    return required;
  }

  #fields(stream: number, required: number): string[] | null {
    const reader = this.#reader;
    if (reader.isDone) throw failed('the section has no whole prefix');
    const isNegative = (reader.first & 0x80) !== 0;
    const delta = this.#number(7);
    const base = isNegative ? required - delta - 1 : required + delta;
    if (base < 0) throw failed('the base is negative');
    const table = this.#table;
    const { sectionSize, fields: maxFields } = this.#limits;
    const fields: string[] = [];
    let size = 0;
    while (!reader.isDone) {
      const { first } = reader;
      let name: string;
      let value: string | null = null;
      if (first & 0x80) {
        const index = this.#number(6);
        if (first & 0x40) [name, value] = this.#static(index);
        else {
          const absolute = this.#dynamic(base - 1 - index, required);
          name = table.name(absolute);
          value = table.value(absolute);
        }
      } else if (first & 0x40) {
        const index = this.#number(4);
        name = first & 0x10 ? this.#static(index)[0] : table.name(this.#dynamic(base - 1 - index, required));
      } else if (first & 0x20) {
        name = this.#string(3);
      } else if (first & 0x10) {
        const absolute = this.#dynamic(base + this.#number(4), required);
        name = table.name(absolute);
        value = table.value(absolute);
      } else {
        name = table.name(this.#dynamic(base + this.#number(3), required));
      }
      value ??= this.#string(7);
      size += name.length + value.length + ENTRY_OVERHEAD;
      if (size > sectionSize || fields.length >= 2 * maxFields) return null;
      fields.push(name, value);
    }
    if (required > 0) this.#send(instruction(0x80, 7, stream));
    return fields;
  }

  #static(index: number): readonly [string, string] {
    const entry = STATIC_TABLE[index];
    if (!entry) throw failed('an index is beyond the static table');
    return entry;
  }

  #dynamic(index: number, required: number): number {
    if (index >= required || !this.#table.has(index)) throw failed('an index is not in the dynamic table');
    return index;
  }

  #number(bits: number): number {
    const value = this.#reader.integer(bits);
    if (value < 0) throw failed('an integer is not whole, or too large');
    return value;
  }

  #string(bits: number): string {
    const text = this.#reader.string(bits, Infinity);
    if (text === null) throw failed(this.#reader.fault ?? 'a string is not whole');
    return text;
  }
}

/** An instruction of the decoder stream (section 4.4). */
function instruction(flags: number, bits: number, value: number): Buffer {
  const most = (1 << bits) - 1;
  if (value < most) return Buffer.from([flags | value]);
  const bytes = [flags | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(0x80 | rest % 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function failed(reason: string): Http3ConnectionError {
  return new Http3ConnectionError(H3.qpackDecompressionFailed, reason);
}

function streamError(reason: string): Http3ConnectionError {
  return new Http3ConnectionError(H3.qpackEncoderStreamError, reason);
}
