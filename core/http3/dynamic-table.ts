/** The dynamic table of QPACK (RFC 9204, section 3.2). Entries are named by their absolute index: how many came before. */

/** Bytes that an entry counts beside its name and value (section 3.2.1). */
export const ENTRY_OVERHEAD = 32;

export class DynamicTable {
  readonly maxCapacity: number;
  readonly #slots: number;
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  #capacity = 0;
  #size = 0;
  #inserted = 0;
  #dropped = 0;

  constructor(maxCapacity: number) {
    this.maxCapacity = maxCapacity;
    this.#slots = Math.max(1, this.maxEntries);
  }

  get maxEntries(): number {
    return Math.floor(this.maxCapacity / ENTRY_OVERHEAD);
  }

  /** How many entries were ever inserted: the index of the next. */
  get inserted(): number {
    return this.#inserted;
  }

  /** True where the entry is there and not dropped. */
  has(index: number): boolean {
    return index >= this.#dropped && index < this.#inserted;
  }

  name(index: number): string {
    return this.#names[index % this.#slots]!;
  }

  value(index: number): string {
    return this.#values[index % this.#slots]!;
  }

  /** False where it is more than the maximum. */
  resize(capacity: number): boolean {
    if (capacity > this.maxCapacity) return false;
    this.#capacity = capacity;
    this.#shrinkTo(capacity);
    return true;
  }

  /** False where the entry is larger than the table. */
  insert(name: string, value: string): boolean {
    const size = name.length + value.length + ENTRY_OVERHEAD;
    if (size > this.#capacity) return false;
    this.#shrinkTo(this.#capacity - size);
    const slot = this.#inserted++ % this.#slots;
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#size += size;
    return true;
  }

  #shrinkTo(size: number): void {
    while (this.#size > size) {
      const slot = this.#dropped++ % this.#slots;
      this.#size -= this.#names[slot]!.length + this.#values[slot]!.length + ENTRY_OVERHEAD;
      this.#names[slot] = '';
      this.#values[slot] = '';
    }
  }
}
