import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CHUNKED, UNTIL_CLOSE } from '../../../core/http1/head.ts';
import { CHUNKED_BODY, bytewise, fuzzChunkedBodies, read } from './grammar-fuzz.ts';

describe('a body', () => {
  test('with a length ends there', () => {
    assert.deepEqual(read({ kind: 'length', length: 5 }, [Buffer.from('abc'), Buffer.from('defg')]), { body: 'abcde', trailers: null, done: true, rest: 'fg' });
  });

  test('without any is all that comes', () => {
    assert.deepEqual(read(UNTIL_CLOSE, [Buffer.from('abc'), Buffer.from('d')]), { body: 'abcd', trailers: null, done: false, rest: '' });
  });

  test('in chunks is read with its trailers, up to the next message', () => {
    assert.deepEqual(read(CHUNKED, [CHUNKED_BODY]), { body: 'abc0123456789', trailers: ['A', '1', 'b', '2'], done: true, rest: 'GET /next' });
    assert.deepEqual(read(CHUNKED, [Buffer.from('0\r\n\r\nX')]), { body: '', trailers: null, done: true, rest: 'X' });
  });

  test('in chunks reads the same wherever the bytes are parted', () => {
    const whole = read(CHUNKED, [CHUNKED_BODY]);
    assert.deepEqual(read(CHUNKED, bytewise(CHUNKED_BODY)), whole);
    for (let first = 0; first <= CHUNKED_BODY.length; first++) {
      for (let second = first; second <= CHUNKED_BODY.length; second++) {
        const pieces = [CHUNKED_BODY.subarray(0, first), CHUNKED_BODY.subarray(first, second), CHUNKED_BODY.subarray(second)];
        assert.deepEqual(read(CHUNKED, pieces.filter((piece) => piece.length > 0)), whole);
      }
    }
  });

  for (const text of [
    'g\r\n',
    '\r\n',
    ' 3\r\nabc\r\n',
    '-3\r\nabc\r\n',
    '+3\r\nabc\r\n',
    '0x3\r\nabc\r\n',
    '3_0\r\n',
    '3\nabc\r\n',
    '3\r\nabcd\r\n',
    '3\r\nabc\n0\r\n\r\n',
    '3\r\nabcX\r\n',
    '3 3\r\nabc\r\n',
    '1000000000000\r\n',
    '3;a\rb\r\nabc\r\n',
    '0\r\nA: 1\nB: 2\r\n\r\n',
    '0\r\nA: 1\rB: 2\r\n\r\n',
    '0\r\nA : 1\r\n\r\n',
    '0\r\nA: \0\r\n\r\n',
    '0\r\n\n',
    '3;' + 'x'.repeat(5000) + '\r\nabc\r\n',
    '0\r\n' + 'A: 1\r\n'.repeat(20_000) + '\r\n',
    '0\r\nA: ' + 'x'.repeat(70_000) + '\r\n\r\n',
  ]) {
    test(`is refused for ${JSON.stringify(text.length > 60 ? text.slice(0, 30) + '…' : text)}`, () => {
      assert.equal(typeof read(CHUNKED, [Buffer.from(text, 'latin1')]), 'string');
    });
  }

  test('in chunks, mutated and parted at random, reads the same as in one piece', () => {
    fuzzChunkedBodies(10_000);
  });

  test('of many trailer lines that dribble in takes no time to speak of', () => {
    const bytes = Buffer.from('0\r\n' + 'A: 1\r\n'.repeat(499) + 'B: ' + 'x'.repeat(60_000) + '\r\n\r\n');
    const start = performance.now();
    const reading = read(CHUNKED, bytewise(bytes));
    assert.ok(typeof reading !== 'string' && reading.done);
    assert.ok(performance.now() - start < 2000);
  });
});
