/**
 * Parses the filter language.
 *
 *     expression = conjunction { "or" conjunction }
 *     conjunction = negation { "and" negation }
 *     negation   = "not" negation | "(" expression ")" | comparison
 *     comparison = name operator value
 *     name       = part { "." part }            part: letters, digits, "_", "-", not beginning with a digit or "-"
 *     operator   = "=" | "!=" | ">" | ">=" | "<" | "<=" | "~"
 *     value      = quoted | word                word: up to the next blank or bracket
 *     quoted     = '"' … '"' | "'" … "'"        a backslash before the quote or a backslash takes it literally
 *
 * A word that reads as a number, `true`, `false` or `null` is that; anything quoted is text.
 */
import { MentuError } from '../errors.ts';
import type { Comparison, Expression, Literal, Operator } from './expression.ts';

const OPERATORS: readonly Operator[] = ['!=', '>=', '<=', '=', '>', '<', '~'];
const MAX_LENGTH = 10_000;
/** Bounds the tree and with it the depth of recursion here, in the evaluator and in SQLite (1000). */
const MAX_COMPARISONS = 200;
const MAX_DEPTH = 50;

/** Throws `bad_filter`, which shows the place, where the text is no expression. */
export function parseFilter(text: string): Expression {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #comparisons = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Expression {
    if (this.#text.length > MAX_LENGTH) throw this.#error(MAX_LENGTH, `it is longer than ${MAX_LENGTH} characters`);
    const expression = this.#expression();
    this.#skipBlanks();
    if (this.#at === this.#text.length) return expression;
    if (this.#text[this.#at] === ')') throw this.#error(this.#at, 'this ")" closes nothing');
    throw this.#error(this.#at, '"and" or "or" was expected here, or the end (quote a value that holds blanks or brackets)');
  }

  #expression(): Expression {
    return this.#joined('or', () => this.#joined('and', () => this.#negation()));
  }

  #joined(word: 'and' | 'or', part: () => Expression): Expression {
    const terms = [part()];
    while (this.#takeWord(word)) terms.push(part());
    return terms.length === 1 ? terms[0]! : { kind: word, terms };
  }

  #negation(): Expression {
    this.#skipBlanks();
    const start = this.#at;
    if (++this.#depth > MAX_DEPTH) throw this.#error(start, `it nests deeper than ${MAX_DEPTH} levels`);
    const expression = this.#unit(start);
    this.#depth--;
    return expression;
  }

  #unit(start: number): Expression {
    if (this.#takeWord('not')) return { kind: 'not', term: this.#negation() };
    if (this.#text[start] !== '(') return this.#comparison();
    this.#at++;
    const inner = this.#expression();
    this.#skipBlanks();
    if (this.#text[this.#at] !== ')') throw this.#error(this.#at, `the "(" of column ${start + 1} is not closed`);
    this.#at++;
    return inner;
  }

  #comparison(): Comparison {
    const start = this.#at;
    if (++this.#comparisons > MAX_COMPARISONS) throw this.#error(start, `it has more than ${MAX_COMPARISONS} comparisons`);
    const name = /[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*/y;
    const written = this.#match(name);
    if (written === undefined || /^(and|or|not)$/i.test(written)) {
      throw this.#error(start, start === this.#text.length ? 'a field was expected, and the text ends' : 'the name of a field was expected here');
    }
    this.#skipBlanks();
    const operator = OPERATORS.find((each) => this.#text.startsWith(each, this.#at));
    if (operator === undefined) throw this.#error(this.#at, `an operator was expected after "${written}": = != > >= < <= ~`);
    const operatorAt = this.#at;
    this.#at += operator.length;
    const value = this.#value(operatorAt, operator);
    if ((value.type === 'null' || value.type === 'boolean') && operator !== '=' && operator !== '!=') {
      throw this.#error(operatorAt, `true, false and null can only be compared by = and !=`);
    }
    return { kind: 'comparison', path: written.split('.'), operator, value };
  }

  #value(operatorAt: number, operator: Operator): Literal {
    const glued = this.#at;
    this.#skipBlanks();
    const start = this.#at;
    const first = this.#text[start];
    if (first === '"' || first === "'") return { type: 'text', text: this.#quoted(first) };
    if (start === glued && first !== undefined && '=!<>~'.includes(first)) {
      throw this.#error(operatorAt, `"${operator}${first}" is no operator; there are = != > >= < <= ~ (quote a value that begins so)`);
    }
    const word = this.#match(/[^\s()"']+/y);
    if (word === undefined) throw this.#error(start, start === this.#text.length ? 'a value was expected, and the text ends' : 'a value was expected here');
    if (/^(and|or|not)$/i.test(word)) throw this.#error(start, `a value was expected before "${word}" (quote it if it is the value)`);
    const next = this.#text[this.#at];
    if (next === '"' || next === "'" || next === '(') throw this.#error(this.#at, 'a value with quotes or brackets in it must be quoted');
    return literal(word);
  }

  #quoted(quote: string): string {
    const start = this.#at++;
    let text = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at]!;
      if (char === quote) {
        this.#at++;
        return text;
      }
      const next = this.#text[this.#at + 1];
      if (char === '\\' && (next === quote || next === '\\')) {
        text += next;
        this.#at++;
      } else text += char;
    }
    throw this.#error(start, `the quote ${quote} is not closed`);
  }

  #takeWord(word: string): boolean {
    this.#skipBlanks();
    const start = this.#at;
    const found = this.#match(/[A-Za-z_][\w.-]*/y);
    if (found?.toLowerCase() === word) return true;
    this.#at = start;
    return false;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #skipBlanks(): void {
    this.#match(/\s+/y);
  }

  #error(at: number, reason: string): MentuError {
    const from = Math.max(0, at - 60);
    const excerpt = this.#text.slice(from, at + 60).replace(/[\p{C}\p{Z}]/gu, ' ');
    return new MentuError('bad_filter', {
      reason,
      column: at + 1,
      excerpt,
      pointer: `${' '.repeat(at - from)}^`,
    });
  }
}

function literal(word: string): Literal {
  if (word === 'true' || word === 'false') return { type: 'boolean', value: word === 'true' };
  if (word === 'null') return { type: 'null' };
  const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(word) ? Number(word) : NaN;
  return Number.isFinite(number) ? { type: 'number', number, text: word } : { type: 'text', text: word };
}
