import { MASK, where, type Finder } from './mask.ts';
import type { SecretNames } from './secret-names.ts';

/** `"name":` in JSON, or `\"name\":` in JSON that is a string of JSON, to any of the depths that occur. */
const NAME = /(\\{0,15})"([^"\\]{1,128})\1"\s{0,64}:\s{0,64}/g;
const NUMBER = /-?[0-9][0-9.eE+-]*/y;
/** So much of a value tells whether it looks like a secret. Characters. */
const GLIMPSE = 500;

/**
 * Finds the values of secret names in anything that holds JSON: whole or cut off, one document or lines of
 * them, in strings of other JSON, in the data of server-sent events. The value (string, number, object or
 * array) is replaced by a string, so that what was valid JSON stays so. `true`, `false` and `null` stay.
 */
export function jsonFields(names: SecretNames): Finder {
  return where('"', (text, from) => {
    NAME.lastIndex = from;
    for (let match = NAME.exec(text); match !== null; match = NAME.exec(text)) {
      const [, escape, name] = match as unknown as [string, string, string];
      const start = NAME.lastIndex;
      const quote = `${escape}"`;
      const isString = text.startsWith(quote, start);
      const inside = isString ? start + quote.length : start;
      if (!names.isSecret(name, () => glimpse(text, inside, escape.length))) continue;
      let end = isString ? stringEnd(text, inside, escape.length) : otherEnd(text, start, escape.length);
      // An empty value shows nothing, and what is masked already stays as it is.
      if (end === inside || (isString && text.startsWith(MASK + quote, inside))) continue;
      if (isString && text.startsWith(quote, end)) end += quote.length;
      return { begin: match.index, start, end, mask: quote + MASK + quote };
    }
    return null;
  });
}

function glimpse(text: string, at: number, escapes: number): string {
  const beginning = text.slice(at, at + GLIMPSE);
  return beginning.slice(0, stringEnd(beginning, 0, escapes));
}

/**
 * Where a string ends whose value begins at `at`: the place of its closing quote, or the end of the text.
 * In a string within n strings, a quote that belongs to it has 2ⁿ - 1 backslashes, one that is part of its
 * value has more, as many as leave another remainder by 2ⁿ⁺¹. A quote with fewer ends a string around it.
 */
function stringEnd(text: string, at: number, escapes: number): number {
  for (let quote = text.indexOf('"', at); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (quote - backslashes > at && text[quote - backslashes - 1] === '\\') backslashes += 1;
    if (backslashes < escapes || backslashes % (2 * escapes + 2) === escapes) return quote - Math.min(backslashes, escapes);
  }
  return text.length;
}

/** The end of a number, an object or an array; `start` where it is neither. */
function otherEnd(text: string, start: number, escapes: number): number {
  NUMBER.lastIndex = start;
  if (NUMBER.test(text)) return NUMBER.lastIndex;
  if (text[start] !== '{' && text[start] !== '[') return start;
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    else if (character === '"') at = stringEnd(text, at + 1, escapes) + escapes;
    if (depth === 0) return at + 1;
  }
  return text.length;
}
