import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Headers } from '../../core/headers.ts';

const some = (): Headers => new Headers(['A', '1', 'b', '2', 'a', '3', 'C', '4']);

describe('a list of header fields', () => {
  test('is read without regard to case, and keeps it', () => {
    const headers = some();
    assert.equal(headers.get('a'), '1');
    assert.deepEqual(headers.getAll('A'), ['1', '3']);
    assert.equal(headers.has('B'), true);
    assert.equal(headers.has('d'), false);
    assert.equal(headers.size, 4);
    assert.deepEqual([...headers], [['A', '1'], ['b', '2'], ['a', '3'], ['C', '4']]);
  });

  test('is changed in place: one value instead of all, at the first one', () => {
    const headers = some();
    headers.set('a', 'x');
    assert.deepEqual(headers.raw, ['A', 'x', 'b', '2', 'C', '4']);
    headers.set('new', 'y');
    headers.append('b', 'z');
    assert.deepEqual(headers.raw, ['A', 'x', 'b', '2', 'C', '4', 'new', 'y', 'b', 'z']);
    headers.delete('B');
    assert.deepEqual(headers.raw, ['A', 'x', 'C', '4', 'new', 'y']);
    headers.delete('none');
    assert.equal(headers.size, 3);
  });

  for (const [name, value] of [['a b', 'x'], ['', 'x'], ['a:', 'x'], ['a\r\nb', 'x'], ['ä', 'x'], ['a', 'x\r\nb: c'], ['a', 'x\n'], ['a', '\0'], ['a', '\u010a'], ['a', '\ud83d\ude00']] as const) {
    test(`takes no ${JSON.stringify(name)}: ${JSON.stringify(value)}`, () => {
      assert.throws(() => some().set(name, value), TypeError);
      assert.throws(() => some().append(name, value), TypeError);
    });
  }
});
