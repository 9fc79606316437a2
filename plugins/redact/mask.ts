/** Masking: a finder says where the secrets of a text are, and they are replaced there. */

export const MASK = '[redacted]';

/** A secret in a text. */
export interface Secret {
  /** Where what gave it away begins: its name, or itself. */
  readonly begin: number;
  /** What is replaced, from `start` up to `end`. */
  readonly start: number;
  readonly end: number;
  readonly mask: string;
}

/** The first secret that begins at `from` or later. A secret that may go on after the end of the text ends there. */
export type Finder = (text: string, from: number) => Secret | null;

/** A finder that is not asked about texts without a sign that each of its secrets has. */
export function where(sign: string, finder: Finder): Finder {
  return (text, from) => (from === 0 && !text.includes(sign) ? null : finder(text, from));
}

/** A secret (with its name) that is cut in two by the end of a chunk is found where it is no longer than this. Characters. */
const HELD_BACK = 16 * 1024;
/** The longest value that is masked in a text that comes in chunks; a longer one is an error. Characters. */
const LONGEST = 1024 * 1024;

/** Masks a text that comes in chunks, by one finder. Memory is bounded: `LONGEST` and one chunk. */
export class MaskWindow {
  count = 0;
  readonly #find: Finder;
  #held = '';
  /** 1 where the first character held has been given out already and only shows what comes before the rest. */
  #before = 0;

  constructor(find: Finder) {
    this.#find = find;
  }

  /** Takes a chunk and gives what is settled. After the `last` one all is. */
  push(chunk: string, last: boolean): string {
    const text = this.#held === '' ? chunk : this.#held + chunk;
    const settled = last ? text.length : Math.max(this.#before, text.length - HELD_BACK);
    let at = this.#before;
    let keep = settled;
    let output = '';
    for (let secret = this.#find(text, at); secret !== null && secret.begin < settled; secret = this.#find(text, at)) {
      if (!last && secret.end >= text.length) {
        if (text.length - secret.begin > LONGEST) throw new Error(`a value longer than ${LONGEST} characters cannot be masked`);
        keep = secret.begin;
        break;
      }
      output += text.slice(at, secret.start) + secret.mask;
      at = secret.end;
      this.count += 1;
    }
    keep = Math.max(keep, at);
    output += text.slice(at, keep);
    this.#before = keep > 0 ? 1 : 0;
    this.#held = last ? '' : text.slice(keep - this.#before);
    return output;
  }
}

/** Masks a whole text by all finders, one after the other. */
export function maskText(text: string, finders: readonly Finder[]): { text: string; count: number } {
  let count = 0;
  for (const finder of finders) {
    if (finder(text, 0) === null) continue;
    const window = new MaskWindow(finder);
    text = window.push(text, true);
    count += window.count;
  }
  return { text, count };
}
