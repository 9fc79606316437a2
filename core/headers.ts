/**
 * An ordered list of header fields: order, case and duplicates as they were on the wire (RFC 9110, section 5).
 * Kept flat (`[name, value, name, value …]`), the form in which the codecs read and write it.
 */
export class Headers {
  /** Name, value, name, value …; the codecs write it as it stands. */
  readonly raw: string[];

  constructor(raw: string[] = []) {
    this.raw = raw;
  }

  static from(pairs: Iterable<readonly [string, string]>): Headers {
    const raw: string[] = [];
    for (const [name, value] of pairs) raw.push(name, value);
    return new Headers(raw);
  }

  /** The first value of a field, by its name in any case. */
  get(name: string): string | undefined {
    const { raw } = this;
    for (let i = 0; i < raw.length; i += 2) if (sameName(raw[i]!, name)) return raw[i + 1];
    return undefined;
  }

  /** Every value of a field, in order. */
  getAll(name: string): string[] {
    const { raw } = this;
    const values: string[] = [];
    for (let i = 0; i < raw.length; i += 2) if (sameName(raw[i]!, name)) values.push(raw[i + 1]!);
    return values;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Puts one value in the place of the first of the field's values and drops the others; appends where there is none. Throws a TypeError for what no field can hold. */
  set(name: string, value: string): void {
    refuseFault(name, value);
    const { raw } = this;
    for (let i = 0; i < raw.length; i += 2) {
      if (!sameName(raw[i]!, name)) continue;
      raw[i + 1] = value;
      this.#drop(name, i + 2);
      return;
    }
    raw.push(name, value);
  }

  /** Throws a TypeError for what no field can hold. */
  append(name: string, value: string): void {
    refuseFault(name, value);
    this.raw.push(name, value);
  }

  delete(name: string): void {
    this.#drop(name, 0);
  }

  get size(): number {
    return this.raw.length / 2;
  }

  /** `[name, value]` pairs in order, the shape of the flow record. */
  pairs(): [string, string][] {
    const pairs: [string, string][] = [];
    for (let i = 0; i < this.raw.length; i += 2) pairs.push([this.raw[i]!, this.raw[i + 1]!]);
    return pairs;
  }

  [Symbol.iterator](): Iterator<[string, string]> {
    return this.pairs()[Symbol.iterator]();
  }

  #drop(name: string, from: number): void {
    const { raw } = this;
    let write = from;
    for (let read = from; read < raw.length; read += 2) {
      if (sameName(raw[read]!, name)) continue;
      raw[write] = raw[read]!;
      raw[write + 1] = raw[read + 1]!;
      write += 2;
    }
    raw.length = write;
  }
}

/** Field names are compared without case (RFC 9110, section 5.1). */
export function sameName(a: string, b: string): boolean {
  return a.length === b.length && (a === b || a.toLowerCase() === b.toLowerCase());
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Fields travel as latin1: a character beyond it would become another one, a line end perhaps. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** A method or the name of a field (RFC 9110, section 5.6.2). */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** What is wrong with a field (RFC 9110, section 5.5), or null. */
export function fieldFault(name: unknown, value: unknown): string | null {
  if (typeof name !== 'string' || !isToken(name)) return `${JSON.stringify(name)} is no name of a header field`;
  if (typeof value !== 'string' || !VALUE.test(value)) return `the value of the header field ${name} has characters that none can have`;
  return null;
}

function refuseFault(name: string, value: string): void {
  const fault = fieldFault(name, value);
  if (fault !== null) throw new TypeError(fault);
}
