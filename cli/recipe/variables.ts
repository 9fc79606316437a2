/** `${NAME}` in the texts of a recipe: filled from `--var NAME=VALUE`. */
import { MentuError, type ErrorPlace } from '../../core/index.ts';
import { badFlag } from '../flags.ts';
import { nearest } from '../nearest.ts';

/** A name in braces; with a second dollar before it, the text itself. What a shell writes otherwise (`$NAME`, `${NAME:-x}`) stays. */
const REFERENCE = /\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export class Variables {
  readonly #given: ReadonlyMap<string, string>;
  readonly #isOpen: boolean;
  readonly #named = new Set<string>();

  private constructor(given: ReadonlyMap<string, string>, isOpen: boolean) {
    this.#given = given;
    this.#isOpen = isOpen;
  }

  /** From the flags' `NAME=VALUE`. @param isOpen variables without a value stay in their text, for a recipe that is only looked at. */
  static of(flags: readonly string[], isOpen = false): Variables {
    const given = new Map<string, string>();
    for (const flag of flags) {
      const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=([^]*)$/.exec(flag) ?? [];
      if (name === undefined) throw badFlag('--var', `takes NAME=VALUE with a name of letters, digits and _, and "${flag}" was given`);
      if (given.has(name)) throw badFlag('--var', `gives ${name} twice`);
      given.set(name, value!);
    }
    return new Variables(given, isOpen);
  }

  /** The names without a value that the texts filled so far have asked for. */
  get open(): readonly string[] {
    return [...this.#named].filter((name) => !this.#given.has(name));
  }

  /** Throws `recipe_variable_unknown` with the place of the text. */
  fill(text: string, place: ErrorPlace): string {
    return text.replace(REFERENCE, (whole, escape: string, name: string) => {
      if (escape !== '') return whole.slice(1);
      this.#named.add(name);
      const value = this.#given.get(name);
      if (value !== undefined) return value;
      if (this.#isOpen) return whole;
      throw new MentuError('recipe_variable_unknown', { name, near: this.#near(name) }, { place });
    });
  }

  /** True where a filled text still waits for a value. */
  waits(text: string): boolean {
    return this.#isOpen && [...text.matchAll(REFERENCE)].some(([, escape]) => escape === '');
  }

  /** A value that no text asks for is a slip. */
  requireUse(): void {
    const idle = [...this.#given.keys()].find((name) => !this.#named.has(name));
    if (idle === undefined) return;
    const near = nearest(idle, this.#named);
    throw badFlag('--var', `gives ${idle}, for which the recipe does not ask${near === undefined ? '' : `; did you mean ${near}?`}`);
  }

  #near(name: string): string {
    const near = nearest(name, this.#given.keys());
    return near === undefined ? '' : `, though ${near} has one`;
  }
}
