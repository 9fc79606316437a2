/** An encoder of QPACK that uses its dynamic table wherever it may, with every kind of reference: for tests of the decoder. */

interface Entry {
  readonly name: string;
  readonly value: string;
}

export class TableEncoder {
  readonly #capacity: number;
  readonly #entries: Entry[] = [];
  #dropped = 0;
  #size = 0;
  /** The first entry that an unread section refers to. */
  #needed = Infinity;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** True where little more fits without dropping what is needed. */
  get isFull(): boolean {
    return this.#size > this.#capacity / 2;
  }

  open(): Buffer {
    return prefixed(0x20, 5, this.#capacity);
  }

  acknowledgeAll(): void {
    this.#needed = Infinity;
  }

  encode(list: readonly string[], random: () => number): { section: Buffer; instructions: Buffer } {
    const instructions: Buffer[] = [];
    const base = Math.max(0, this.#entries.length - Math.floor(random() * 3));
    const lines: Buffer[] = [];
    let required = 0;
    const refer = (index: number): number => {
      required = Math.max(required, index + 1);
      this.#needed = Math.min(this.#needed, index);
      return index;
    };
    for (let i = 0; i < list.length; i += 2) {
      const [name, value] = [list[i]!, list[i + 1]!];
      let index = this.#find((entry) => entry.name === name && entry.value === value);
      if (index === -1) index = this.#insert(name, value, random, instructions);
      const named = this.#find((entry) => entry.name === name);
      if (index !== -1) {
        refer(index);
        lines.push(index < base ? prefixed(0x80, 6, base - 1 - index) : prefixed(0x10, 4, index - base));
      } else if (named !== -1) {
        refer(named);
        lines.push(named < base ? prefixed(0x40, 4, base - 1 - named) : prefixed(0x00, 3, named - base), text(0, 7, value));
      } else {
        lines.push(text(0x20, 3, name), text(0, 7, value));
      }
    }
    const entries = Math.floor(this.#capacity / 32);
    if (required === 0) return { section: Buffer.concat([Buffer.from([0, 0]), ...lines]), instructions: Buffer.concat(instructions) };
    const count = prefixed(0, 8, (required % (2 * entries)) + 1);
    const sign = base >= required ? prefixed(0x00, 7, base - required) : prefixed(0x80, 7, required - base - 1);
    return { section: Buffer.concat([count, sign, ...lines]), instructions: Buffer.concat(instructions) };
  }

  #find(match: (entry: Entry) => boolean): number {
    for (let index = this.#entries.length - 1; index >= this.#dropped; index--) if (match(this.#entries[index]!)) return index;
    return -1;
  }

  #insert(name: string, value: string, random: () => number, instructions: Buffer[]): number {
    const size = name.length + value.length + 32;
    const named = this.#find((entry) => entry.name === name);
    let dropped = this.#dropped;
    let left = this.#size;
    while (left + size > this.#capacity && dropped < this.#entries.length) left -= sizeOf(this.#entries[dropped++]!);
    if (left + size > this.#capacity || dropped > this.#needed) return -1;
    instructions.push(named === -1 ? text(0x40, 5, name) : prefixed(0x80, 6, this.#entries.length - 1 - named), text(0, 7, value));
    this.#dropped = dropped;
    this.#size = left + size;
    this.#entries.push({ name, value });
    if (random() < 0.1 && this.#size + size <= this.#capacity) {
      instructions.push(prefixed(0, 5, 0));
      this.#size += size;
      this.#entries.push({ name, value });
    }
    return this.#entries.length - 1;
  }
}

function sizeOf({ name, value }: Entry): number {
  return name.length + value.length + 32;
}

export function prefixed(flags: number, bits: number, value: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([flags | value]);
  const bytes = [flags | most];
  let rest = value - most;
  for (; rest >= 128; rest >>= 7) bytes.push(0x80 | (rest & 0x7f));
  return Buffer.from([...bytes, rest]);
}

export function text(flags: number, bits: number, value: string): Buffer {
  return Buffer.concat([prefixed(flags, bits, value.length), Buffer.from(value, 'latin1')]);
}
