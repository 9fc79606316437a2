/**
 * Field sections as we write them (RFC 9204, section 4.5): by the static table and in literals, without a dynamic table of
 * our own, so that no section ever waits for another stream. They are made as whole HEADERS frames.
 */
import { ENTRY_OVERHEAD } from './dynamic-table.ts';
import { huffmanLength, writeHuffman } from './huffman.ts';
import { STATIC_TABLE } from './static-table.ts';
import { varintLength, writeVarint } from './varint.ts';

interface StaticName {
  readonly index: number;
  readonly values: Map<string, number>;
}

const STATIC_NAMES = new Map<string, StaticName>();
for (const [index, [name, value]] of STATIC_TABLE.entries()) {
  const known = STATIC_NAMES.get(name);
  if (known) known.values.set(value, index);
  else STATIC_NAMES.set(name, { index, values: new Map([[value, index]]) });
}

/** Type and length of the frame, and the section's prefix, which is two zeros. */
const HEADERS_TYPE = 0x01;
const FRAME_ROOM = 5;
/** Bytes that the integers before a name and a value take at most, together. */
const LINE_ROOM = 16;

export class QpackEncoder {
  #target = Buffer.allocUnsafeSlow(4096);
  #at = 0;
  #listSize = 0;

  /** What the section last made counts against the peer's SETTINGS_MAX_FIELD_SECTION_SIZE (RFC 9114, section 4.2.2). */
  get listSize(): number {
    return this.#listSize;
  }

  /** A HEADERS frame of the fields, name and value in turn. Throws a TypeError for what no field can hold. */
  frame(pseudo: readonly string[], raw: readonly string[]): Buffer {
    this.#at = FRAME_ROOM;
    this.#target[this.#at++] = 0;
    this.#target[this.#at++] = 0;
    this.#listSize = 0;
    this.#lines(pseudo);
    this.#lines(raw);
    const length = this.#at - FRAME_ROOM;
    const start = FRAME_ROOM - 1 - varintLength(length);
    this.#target[start] = HEADERS_TYPE;
    writeVarint(length, this.#target, start + 1);
    return Buffer.from(this.#target.subarray(start, this.#at));
  }

  #lines(raw: readonly string[]): void {
    for (let i = 0; i < raw.length; i += 2) this.#line(raw[i]!, raw[i + 1]!);
  }

  #line(name: string, value: string): void {
    this.#listSize += name.length + value.length + ENTRY_OVERHEAD;
    this.#reserve(name.length + value.length + LINE_ROOM);
    // What a plugin has added may have capitals.
    let lower = name;
    let known = STATIC_NAMES.get(name);
    if (!known) known = STATIC_NAMES.get((lower = name.toLowerCase()));
    const index = known?.values.get(value);
    if (index !== undefined) return this.#integer(0xc0, 6, index);
    if (known) this.#integer(0x50, 4, known.index);
    else this.#string(lower, 0x20, 3);
    this.#string(value, 0, 7);
  }

  /** @param bits of the length; the bit above them tells the code. */
  #string(text: string, flags: number, bits: number): void {
    const coded = huffmanLength(text);
    if (coded < text.length) {
      this.#integer(flags | (1 << bits), bits, coded);
      this.#at = writeHuffman(text, this.#target, this.#at);
    } else {
      this.#integer(flags, bits, text.length);
      this.#at += this.#target.write(text, this.#at, 'latin1');
    }
  }

  #integer(flags: number, bits: number, value: number): void {
    const most = (1 << bits) - 1;
    if (value < most) {
      this.#target[this.#at++] = flags | value;
      return;
    }
    this.#target[this.#at++] = flags | most;
    let rest = value - most;
    for (; rest >= 128; rest >>>= 7) this.#target[this.#at++] = 0x80 | (rest & 0x7f);
    this.#target[this.#at++] = rest;
  }

  #reserve(room: number): void {
    if (this.#at + room <= this.#target.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#target.length * 2, this.#at + room));
    this.#target.copy(larger, 0, 0, this.#at);
    this.#target = larger;
  }
}
