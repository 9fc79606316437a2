/** JSON of an image, which anybody may have written: parts of it, checked, and errors that name the place. */

export class ImageJson {
  readonly #value: unknown;
  /** The file, and the way to the part in it: `index.json: manifests[0]`. */
  readonly place: string;

  constructor(value: unknown, place: string) {
    this.#value = value;
    this.place = place;
  }

  static parse(text: Buffer, file: string): ImageJson {
    try {
      return new ImageJson(JSON.parse(text.toString()), file);
    } catch (error) {
      throw new Error(`${file} is not JSON (${error instanceof Error ? error.message : String(error)})`);
    }
  }

  /** A part of an object; what is absent is a part that is null. */
  part(key: string): ImageJson {
    if (typeof this.#value !== 'object' || this.#value === null || Array.isArray(this.#value)) throw new Error(`${this.place} is not an object`);
    const value: unknown = Object.hasOwn(this.#value, key) ? (this.#value as Record<string, unknown>)[key] : null;
    return new ImageJson(value, `${this.place}${this.place.includes(': ') ? '.' : ': '}${key}`);
  }

  get isAbsent(): boolean {
    return this.#value === null || this.#value === undefined;
  }

  list(): ImageJson[] {
    if (!Array.isArray(this.#value)) throw new Error(`${this.place} is not a list`);
    return this.#value.map((value, index) => new ImageJson(value, `${this.place}[${index}]`));
  }

  text(): string {
    if (typeof this.#value !== 'string') throw new Error(`${this.place} is not text`);
    return this.#value;
  }

  /** Absent parts are empty. */
  optionalText(): string {
    return this.isAbsent ? '' : this.text();
  }

  optionalTexts(): string[] {
    return this.isAbsent ? [] : this.list().map((part) => part.text());
  }
}
