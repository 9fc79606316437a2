/** Runs an expression of the filter language over plain objects. */
import type { Comparison, Expression, Literal } from './expression.ts';

/** True where the expression holds for the object. A dotted name reaches into nested objects. */
export function matchesFilter(expression: Expression, object: Readonly<Record<string, unknown>>): boolean {
  switch (expression.kind) {
    case 'and':
      return expression.terms.every((term) => matchesFilter(term, object));
    case 'or':
      return expression.terms.some((term) => matchesFilter(term, object));
    case 'not':
      return !matchesFilter(expression.term, object);
    case 'comparison':
      return compare(expression, fieldAt(object, expression.path));
  }
}

/** The value under a path of own properties; undefined where there is none. */
function fieldAt(object: unknown, path: readonly string[]): unknown {
  let value = object;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

function compare(comparison: Comparison, field: unknown): boolean {
  const { operator, value } = comparison;
  if (operator === '!=') return !compare({ ...comparison, operator: '=' }, field);
  if (value.type === 'null') return field === undefined || field === null;
  return Array.isArray(field) ? field.some((element) => holds(operator, element, value)) : holds(operator, field, value);
}

function holds(operator: Comparison['operator'], field: unknown, value: Literal): boolean {
  if (value.type === 'boolean') return field === value.value;
  if (value.type === 'null') return false;
  if (operator === '~') {
    if (typeof field === 'string') return contains(field, value.text);
    return Number.isSafeInteger(field) && contains(String(field), value.text);
  }
  if (typeof field === 'number' && value.type === 'number') return ordered(operator, field - value.number);
  if (typeof field !== 'string') return false;
  if (operator === '=') return field === value.text;
  return value.type === 'text' && ordered(operator, byCodePoint(field, value.text));
}

function ordered(operator: Comparison['operator'], difference: number): boolean {
  switch (operator) {
    case '=':
      return difference === 0;
    case '>':
      return difference > 0;
    case '>=':
      return difference >= 0;
    case '<':
      return difference < 0;
    default:
      return operator === '<=' && difference <= 0;
  }
}

/** The order of UTF-8 bytes, which is the order of code points and not that of UTF-16 units. */
function byCodePoint(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] === b[i]) continue;
    const start = i > 0 && isLowSurrogate(a, i) && isLowSurrogate(b, i) ? i - 1 : i;
    return a.codePointAt(start)! - b.codePointAt(start)!;
  }
  return a.length - b.length;
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}

/** Without `*` a part of the text; with it the shape of the whole text. Takes time linear in the text for each part. */
function contains(text: string, wanted: string): boolean {
  const field = foldCase(text);
  const parts = foldCase(wanted).split('*');
  if (parts.length === 1) return field.includes(parts[0]!);
  const head = parts[0]!;
  const tail = parts.at(-1)!;
  if (field.length < head.length + tail.length || !field.startsWith(head) || !field.endsWith(tail)) return false;
  let at = head.length;
  for (const part of parts.slice(1, -1)) {
    const found = field.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= field.length - tail.length;
}

/** A to Z only, as SQL engines do by default. */
function foldCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
