import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineGrammar } from '../../../core/streams/line-grammar.ts';

function linesOf(text: string, separatedBy: 'line-end' | 'record-separator', piece: number): string[] {
  const lines: string[] = [];
  let line = '';
  const grammar = new LineGrammar(separatedBy, { data: (bytes) => (line += bytes.toString('latin1')), line: () => (lines.push(line), (line = '')) });
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += piece) grammar.write(bytes.subarray(at, at + piece));
  grammar.end();
  return lines;
}

for (const [text, separatedBy, lines] of [
  ['{"a":1}\n{"b":2}\n', 'line-end', ['{"a":1}', '{"b":2}']],
  ['{"a":1}\r\n\r\n\n{"b":2}', 'line-end', ['{"a":1}', '{"b":2}']],
  ['a\rb\r\r\nc\r', 'line-end', ['a\rb\r', 'c']],
  ['', 'line-end', []],
  ['\x1e{"a":\n1}\n\x1e{"b":2}\n', 'record-separator', ['{"a":\n1}', '{"b":2}']],
  ['\x1e\x1e{"a":1}', 'record-separator', ['{"a":1}']],
] as const) {
  test(`${JSON.stringify(text)}, ${separatedBy}`, () => {
    for (const piece of [1, 2, 3, 5, 1000]) assert.deepEqual(linesOf(text, separatedBy, piece), lines, `in pieces of ${piece}`);
  });
}
