import { test } from 'node:test';
import assert from 'node:assert/strict';
import { MentuError } from '../../../core/errors.ts';
import { fieldNames, type Expression } from '../../../core/filter/expression.ts';
import { parseFilter } from '../../../core/filter/parser.ts';

const text = (value: string) => ({ type: 'text', text: value });
const number = (value: number, written = String(value)) => ({ type: 'number', number: value, text: written });
const is = (name: string, operator: string, value: object) => ({ kind: 'comparison', path: name.split('.'), operator, value });

test('reads every operator, with and without blanks', () => {
  for (const operator of ['=', '!=', '>', '>=', '<', '<=', '~']) {
    assert.deepEqual(parseFilter(`status${operator}400`), is('status', operator, number(400)));
    assert.deepEqual(parseFilter(` status ${operator} 400 `), is('status', operator, number(400)));
  }
});

test('reads values: numbers as written, true, false, null, words with operators inside, quotes', () => {
  const value = (source: string) => (parseFilter(`a=${source}`) as Extract<Expression, { kind: 'comparison' }>).value;
  assert.deepEqual(value('1.10'), number(1.1, '1.10'));
  assert.deepEqual(value('-2e3'), number(-2000, '-2e3'));
  assert.deepEqual(value('1e999'), text('1e999'));
  assert.deepEqual(value('0x10'), text('0x10'));
  assert.deepEqual(value('true'), { type: 'boolean', value: true });
  assert.deepEqual(value('null'), { type: 'null' });
  assert.deepEqual(value('"true"'), text('true'));
  assert.deepEqual(value('"404"'), text('404'));
  assert.deepEqual(value('/v1/x?a=b&c>d~e'), text('/v1/x?a=b&c>d~e'));
  assert.deepEqual(value(`"it's \\"so\\" \\\\ \\n"`), text(`it's "so" \\ \\n`));
  assert.deepEqual(value(`'a "b" c'`), text('a "b" c'));
  assert.deepEqual(value(`"=x"`), text('=x'));
  assert.deepEqual(value('""'), text(''));
});

test('binds "and" closer than "or", "not" closest, in any case; brackets overrule', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => is(name, '=', number(1)));
  assert.deepEqual(parseFilter('a=1 or b=1 and c=1'), { kind: 'or', terms: [a, { kind: 'and', terms: [b, c] }] });
  assert.deepEqual(parseFilter('(a=1 OR b=1)AND c=1'), { kind: 'and', terms: [{ kind: 'or', terms: [a, b] }, c] });
  assert.deepEqual(parseFilter('not a=1 and b=1'), { kind: 'and', terms: [{ kind: 'not', term: a }, b] });
  assert.deepEqual(parseFilter('NOT (not a=1)'), { kind: 'not', term: { kind: 'not', term: a } });
});

test('a name has dots and dashes, and may begin like a keyword', () => {
  assert.deepEqual(parseFilter('annotations.ane-classifier.class=auth'), is('annotations.ane-classifier.class', '=', text('auth')));
  assert.deepEqual(parseFilter('not order=1'), { kind: 'not', term: is('order', '=', number(1)) });
  assert.deepEqual(parseFilter('notes=1'), is('notes', '=', number(1)));
  assert.deepEqual([...fieldNames(parseFilter('a.b=1 and not (c=2 or a.b=3)'))], ['a.b', 'c']);
});

/** Expression, 1-based column of the mistake, what the message must say. */
const MISTAKES: readonly [string, number, RegExp][] = [
  ['', 1, /a field was expected, and the text ends/],
  ['status', 7, /an operator was expected after "status"/],
  ['status>=', 9, /a value was expected, and the text ends/],
  ['status>= and host=x', 10, /a value was expected before "and"/],
  ['status==400', 7, /"==" is no operator/],
  ['status=>400', 7, /"=>" is no operator/],
  ['host=~x', 5, /"=~" is no operator/],
  ['status>=400 host=x', 13, /"and" or "or" was expected/],
  ['status>=400 && host=x', 13, /"and" or "or" was expected/],
  ['(a=1 or b=2', 12, /the "\(" of column 1 is not closed/],
  ['a=1)', 4, /this "\)" closes nothing/],
  ['a="x', 3, /the quote " is not closed/],
  ["a=x'y'", 4, /must be quoted/],
  ['a=f(x)', 4, /must be quoted/],
  ['a=1 and', 8, /a field was expected, and the text ends/],
  ['a=1 and or b=2', 9, /name of a field was expected/],
  ['9a=1', 1, /name of a field was expected/],
  ['a..b=1', 2, /an operator was expected after "a"/],
  ['a>true', 2, /true, false and null can only be compared by/],
  ['a~null', 2, /true, false and null can only be compared by/],
  ['a=', 3, /a value was expected/],
  ['a=)', 3, /a value was expected here/],
];

for (const [source, column, reason] of MISTAKES) {
  test(`shows the place of the mistake in ${JSON.stringify(source)}`, () => {
    assert.throws(() => parseFilter(source), (error) => {
      assert.ok(error instanceof MentuError);
      assert.equal(error.code, 'bad_filter');
      assert.match(error.message, reason);
      assert.equal(error.params['column'], column);
      const [, excerpt, pointer] = error.remedy.split('\n');
      assert.equal(excerpt, `  ${source}`);
      assert.equal(pointer!.length - 2, column);
      assert.ok(pointer!.endsWith('^'));
      return true;
    });
  });
}

test('a long text is shown around the mistake only, without control characters', () => {
  const source = `${'a=1 and '.repeat(50)}\u001b[31m=2`;
  assert.throws(() => parseFilter(source), (error) => {
    const [, excerpt, pointer] = (error as MentuError).remedy.split('\n');
    assert.ok(excerpt!.length <= 122);
    assert.ok(!excerpt!.includes('\u001b'));
    assert.equal(excerpt!.slice(pointer!.length, pointer!.length + 3), '[31');
    return true;
  });
});

test('bounds length, number of comparisons and nesting', () => {
  const reason = (source: string) => {
    try {
      parseFilter(source);
    } catch (error) {
      return (error as MentuError).message;
    }
    return 'accepted';
  };
  assert.match(reason(`a=${'x'.repeat(10_000)}`), /longer than 10000 characters/);
  assert.match(reason(Array(201).fill('a=1').join(' or ')), /more than 200 comparisons/);
  assert.match(reason(`${'('.repeat(51)}a=1${')'.repeat(51)}`), /deeper than 50 levels/);
  assert.match(reason(`${'not '.repeat(60)}a=1`), /deeper than 50 levels/);
  assert.equal(reason(`${'('.repeat(49)}a=1${')'.repeat(49)}`), 'accepted');
  assert.equal(reason(Array(200).fill('a=1').join(' or ')), 'accepted');
});
