import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Headers } from '../../../core/headers.ts';
import { Http1SyntaxError, isPersistent, parseRequestHead, parseStatusHead, parseTrailers, requestFraming, responseFraming, writeHead } from '../../../core/http1/head.ts';
import { fuzzRequestHeads } from './grammar-fuzz.ts';

const request = (...lines: string[]): string => ['GET / HTTP/1.1', ...lines].join('\r\n');
const framing = (...lines: string[]) => requestFraming(parseRequestHead(request(...lines)));

describe('request heads', () => {
  test('are read with order, case, duplicates and bytes beyond ASCII', () => {
    const line = parseRequestHead('PURGE /x?y HTTP/1.1\r\nHost: a\r\nx:\t 1 \t\r\nX: 2\r\nEmpty:\r\nBytes: \xe9\xff');
    assert.deepEqual({ ...line, headers: line.headers.raw }, { method: 'PURGE', target: '/x?y', version: 'HTTP/1.1', headers: ['Host', 'a', 'x', '1', 'X', '2', 'Empty', '', 'Bytes', '\xe9\xff'] });
  });

  for (const [what, head] of [
    ['a bare line feed after a field', request('A: 1\nB: 2')],
    ['a bare line feed after the request line', 'GET / HTTP/1.1\nA: 1'],
    ['a bare carriage return', request('A: 1\rB: 2')],
    ['a folded line', request('A: 1', ' folded')],
    ['a line folded by a tab', request('A: 1', '\tfolded')],
    ['a space before the colon', request('Content-Length : 5')],
    ['a tab before the colon', request('Content-Length\t: 5')],
    ['a space before the first field', request(' A: 1')],
    ['an empty name', request(': 1')],
    ['no colon', request('A')],
    ['a NUL', request('A: 1\0')],
    ['another control character', request('A: \x01')],
    ['DEL', request('A: \x7f')],
    ['a separator in a name', request('A(b): 1')],
    ['a name beyond ASCII', request('\xc4: 1')],
    ['two spaces after the method', 'GET  / HTTP/1.1'],
    ['two spaces before the version', 'GET /  HTTP/1.1'],
    ['a tab in the request line', 'GET\t/ HTTP/1.1'],
    ['a space in the target', 'GET /a b HTTP/1.1'],
    ['no version', 'GET /'],
    ['HTTP/0.9', 'GET / HTTP/0.9'],
    ['HTTP/2.0', 'GET / HTTP/2.0'],
    ['a version in lower case', 'GET / http/1.1'],
    ['a version with more digits', 'GET / HTTP/1.10'],
    ['a method that is no token', 'G@T / HTTP/1.1'],
    ['a leading space', ' GET / HTTP/1.1'],
    ['nothing', ''],
    ['too many fields', request(...Array.from({ length: 501 }, (_, i) => `A${i}: 1`))],
  ] as const) {
    test(`are refused for ${what}`, () => {
      assert.throws(() => parseRequestHead(head), Http1SyntaxError);
    });
  }

  test('are written back as they were read', () => {
    const text = 'HEAD /x HTTP/1.0\r\nhOst: b\r\nA: \xfc\r\na: 2';
    const { method, target, version, headers } = parseRequestHead(text);
    assert.equal(writeHead(`${method} ${target} ${version}`, headers), text + '\r\n\r\n');
  });

  test('never get through in two readings, whatever the bytes', () => {
    fuzzRequestHeads(10_000);
  });
});

describe('the framing of a request', () => {
  test('is what its fields say', () => {
    assert.deepEqual(framing(), { kind: 'none' });
    assert.deepEqual(framing('Content-Length: 0'), { kind: 'none' });
    assert.deepEqual(framing('content-length: 12'), { kind: 'length', length: 12 });
    assert.deepEqual(framing('Transfer-Encoding: Chunked'), { kind: 'chunked' });
  });

  for (const lines of [
    ['Content-Length: 5', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'Content-Length: 5'],
    ['Content-Length: 5', 'Content-Length: 6'],
    ['Content-Length: 5', 'content-length: 5'],
    ['Content-Length: 5, 5'],
    ['Content-Length: +5'],
    ['Content-Length: -5'],
    ['Content-Length: 0x5'],
    ['Content-Length: 5 5'],
    ['Content-Length:'],
    ['Content-Length: 99999999999999999999'],
    ['Transfer-Encoding: gzip, chunked'],
    ['Transfer-Encoding: chunked, chunked'],
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: identity'],
    ['Transfer-Encoding: xchunked'],
    ['Transfer-Encoding: "chunked"'],
    ['Transfer-Encoding:'],
  ]) {
    test(`is refused for ${lines.join(' | ')}`, () => {
      assert.throws(() => framing(...lines), Http1SyntaxError);
    });
  }

  test('is refused for a transfer coding in HTTP/1.0', () => {
    assert.throws(() => requestFraming(parseRequestHead('POST / HTTP/1.0\r\nTransfer-Encoding: chunked')), Http1SyntaxError);
  });
});

describe('response heads', () => {
  test('are read with any reason, or none', () => {
    assert.equal(parseStatusHead('HTTP/1.1 200 OK').reason, 'OK');
    assert.equal(parseStatusHead('HTTP/1.0 404').reason, '');
    assert.equal(parseStatusHead('HTTP/1.1 299 \xdcber und aus').reason, '\xdcber und aus');
    assert.equal(parseStatusHead('HTTP/1.1 200 ').status, 200);
  });

  for (const head of ['HTTP/1.1 1e2 OK', 'HTTP/1.1 +20 OK', 'HTTP/1.1  20 OK', 'HTTP/1.1 20 OK', 'HTTP/1.1 099 OK', 'HTTP/1.1 2000 OK', 'HTTP/2 200 OK', 'ICY 200 OK', 'HTTP/1.1 0xA OK', 'HTTP/1.1 200\tOK', '']) {
    test(`are refused for ${JSON.stringify(head)}`, () => {
      assert.throws(() => parseStatusHead(head), Http1SyntaxError);
    });
  }

  const of = (method: string, status: number, ...lines: string[]) => responseFraming(parseStatusHead([`HTTP/1.1 ${status} X`, ...lines].join('\r\n')), method);

  test('say how the body is framed, by status and method first', () => {
    assert.deepEqual(of('HEAD', 200, 'Content-Length: 5'), { kind: 'none' });
    assert.deepEqual(of('GET', 204, 'Content-Length: 5'), { kind: 'none' });
    assert.deepEqual(of('GET', 304, 'Transfer-Encoding: chunked'), { kind: 'none' });
    assert.deepEqual(of('GET', 200, 'Content-Length: 5', 'Content-Length: 5'), { kind: 'length', length: 5 });
    assert.deepEqual(of('GET', 200), { kind: 'close' });
    assert.throws(() => of('GET', 200, 'Content-Length: 5', 'Content-Length: 6'), Http1SyntaxError);
  });

  test('lose the length that stands beside a transfer coding', () => {
    const line = parseStatusHead('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked');
    assert.deepEqual(responseFraming(line, 'GET'), { kind: 'chunked' });
    assert.deepEqual(line.headers.raw, ['Transfer-Encoding', 'chunked']);
  });
});

describe('trailers', () => {
  test('are fields like those of a head', () => {
    assert.deepEqual(parseTrailers('A: 1\r\nb: 2\r\n').raw, ['A', '1', 'b', '2']);
  });

  for (const text of ['A: 1\rB: 2\r\n', 'A: \0\r\n', 'A : 1\r\n', ' A: 1\r\n', 'A\r\n']) {
    test(`are refused for ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseTrailers(text), Http1SyntaxError);
    });
  }
});

test('a connection persists as its version and all of its Connection fields say', () => {
  const persists = (version: string, ...values: string[]): boolean => isPersistent(version, Headers.from(values.map((value) => ['Connection', value] as const)));
  assert.equal(persists('HTTP/1.1'), true);
  assert.equal(persists('HTTP/1.1', 'close'), false);
  assert.equal(persists('HTTP/1.1', 'TE, Close'), false);
  assert.equal(persists('HTTP/1.1', 'keep-alive', 'close'), false);
  assert.equal(persists('HTTP/1.1', 'x-close'), true);
  assert.equal(persists('HTTP/1.0'), false);
  assert.equal(persists('HTTP/1.0', 'Keep-Alive'), true);
});
