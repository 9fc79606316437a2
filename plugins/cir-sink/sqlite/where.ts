/**
 * Compiles the filter language to SQL over the table `signals`. Values and names are bound, never spliced.
 * The meaning is that of the language (`core/filter/expression.ts`); the tests hold it against the evaluator's.
 */
import type { Comparison, Expression, Literal } from '../../../core/index.ts';

type Test = Pick<Comparison, 'operator' | 'value'>;

/** The plain fields of a signal. The confidence is a float in the table, and 1 is to read as `1`. */
const COLUMNS: Readonly<Record<string, string | undefined>> = Object.assign(Object.create(null), {
  id: 'id',
  type: 'type',
  body: 'body',
  domain: 'domain',
  source: 'source',
  created_at: 'created_at',
  confidence: 'iif(confidence IN (0, 1), CAST(confidence AS INTEGER), confidence)',
});

/** Parameters of a statement, by name. */
export class Bindings {
  readonly values: Record<string, string | number> = {};
  readonly #names = new Map<string | number, string>();

  /** The name under which the value stands in the SQL. */
  bind(value: string | number): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = `:p${this.#names.size}`;
      this.#names.set(value, name);
      this.values[name] = value;
    }
    return name;
  }
}

/** A condition that is 0 or 1, never NULL. */
export function compileFilter(expression: Expression, bindings: Bindings): string {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return `(${expression.terms.map((term) => compileFilter(term, bindings)).join(expression.kind === 'and' ? ' AND ' : ' OR ')})`;
    case 'not':
      return `(NOT ${compileFilter(expression.term, bindings)})`;
    case 'comparison':
      return compileComparison(expression, bindings);
  }
}

function compileComparison({ path, operator, value }: Comparison, bindings: Bindings): string {
  if (operator === '!=') return `(NOT ${compileComparison({ kind: 'comparison', path, operator: '=', value }, bindings)})`;
  const test: Test = { operator, value };
  const [first, ...rest] = path as [string, ...string[]];
  const column = COLUMNS[first];
  if (column !== undefined) return rest.length > 0 ? below(test) : inColumn(column, test, bindings);
  if (first === 'tags') return rest.length > 0 ? below(test) : inJson('tags', '$', test, bindings);
  const keys = first === 'data' && rest.length > 0 ? rest : path;
  return inJson('data', `$${keys.map((key) => `."${key}"`).join('')}`, test, bindings);
}

/** A name below a plain value is the name of nothing. */
function below(test: Test): string {
  return test.value.type === 'null' ? '1' : '0';
}

function inColumn(column: string, test: Test, bindings: Bindings): string {
  if (test.value.type === 'null') return `(${column} IS NULL)`;
  return `coalesce(${holds(`typeof(${column})`, column, test, bindings)}, 0)`;
}

/** A list holds where one of its elements does. */
function inJson(json: string, path: string, test: Test, bindings: Bindings): string {
  const at = bindings.bind(path);
  const type = `json_type(${json}, ${at})`;
  if (test.value.type === 'null') return `(coalesce(${type}, 'null') = 'null')`;
  const list = `EXISTS (SELECT 1 FROM json_each(${json}, ${at}) AS e WHERE ${holds('e.type', 'e.atom', test, bindings)})`;
  return `coalesce(CASE ${type} WHEN 'array' THEN ${list} ELSE ${holds(type, `${json} ->> ${at}`, test, bindings)} END, 0)`;
}

/** One value, of which `type` is what json_type and typeof call it. */
function holds(type: string, field: string, { operator, value }: Test, bindings: Bindings): string {
  if (value.type === 'null') return '0';
  if (value.type === 'boolean') return `(${type} = '${value.value}')`;
  if (operator === '~') return `(${type} IN ('text', 'integer') AND ${field} LIKE ${bindings.bind(likePattern(value))} ESCAPE '\\')`;
  const asText = (): string => `(${type} = 'text' AND ${field} ${operator} ${bindings.bind(value.text)})`;
  if (value.type === 'text') return asText();
  const asNumber = `(${type} IN ('integer', 'real') AND ${field} ${operator} ${bindings.bind(value.number)})`;
  return operator === '=' ? `(${asNumber} OR ${asText()})` : asNumber;
}

/** LIKE folds A to Z alone, as the language does. */
function likePattern(value: Extract<Literal, { text: string }>): string {
  const escaped = value.text.replace(/[\\%_]/g, '\\$&');
  return escaped.includes('*') ? escaped.replace(/\*+/g, '%') : `%${escaped}%`;
}
