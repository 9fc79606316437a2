/**
 * The filter language, in which a person says which flows are wanted: `status>=400 and host~*.example.com`.
 *
 * It is parsed once into the tree below. A store compiles the tree to its own query language; the
 * evaluator runs it over plain objects. Both must agree with the meaning given here:
 *
 * - A field is missing, null, a boolean, a number, a text, a list or an object. A comparison with a list
 *   holds where it holds for one of its elements; with an object never.
 * - `=` with a number holds for a number of that value and for a text that reads exactly so (`http_version=1.1`);
 *   with a text or a boolean for just that; `= null` for what is missing or null. `a != b` is `not (a = b)`.
 * - `> >= < <=` compare numbers with numbers and texts with texts (by code point); all else does not hold.
 * - `~` asks whether a text (or a whole number, as it is written) contains the value; where the value has
 *   a `*`, whether the whole text has that shape. Letters A to Z match in either case.
 */
export type Operator = '=' | '!=' | '>' | '>=' | '<' | '<=' | '~';

export type Literal =
  | { readonly type: 'text'; readonly text: string }
  /** `text` is the number as it was written. */
  | { readonly type: 'number'; readonly number: number; readonly text: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'null' };

export interface Comparison {
  readonly kind: 'comparison';
  /** The field's name, split at its dots. Each part is letters, digits, `_` and `-`. */
  readonly path: readonly string[];
  readonly operator: Operator;
  readonly value: Literal;
}

export type Expression =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Expression[] }
  | { readonly kind: 'not'; readonly term: Expression }
  | Comparison;

/** The names of the fields that an expression asks for, each once, as they were written. */
export function fieldNames(expression: Expression): Set<string> {
  const names = new Set<string>();
  const visit = (each: Expression): void => {
    if (each.kind === 'comparison') names.add(each.path.join('.'));
    else if (each.kind === 'not') visit(each.term);
    else each.terms.forEach(visit);
  };
  visit(expression);
  return names;
}
