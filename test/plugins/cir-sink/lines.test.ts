import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readLines } from '../../../plugins/cir-sink/lines.ts';

async function lines(chunks: readonly string[], limit?: number): Promise<(string | null | boolean)[][]> {
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) yield Buffer.from(chunk, 'latin1');
  }
  const found: (string | null | boolean)[][] = [];
  for await (const { text, ended, number } of readLines(stream(), limit)) {
    found.push([text, ended]);
    assert.equal(number, found.length);
  }
  return found;
}

test('splits at newlines wherever the chunks end', async () => {
  const text = 'one\ntwo\n\nthree';
  const wanted = [['one', true], ['two', true], ['', true], ['three', false]];
  assert.deepEqual(await lines([text]), wanted);
  assert.deepEqual(await lines([...text]), wanted);
  assert.deepEqual(await lines(['']), []);
  assert.deepEqual(await lines(['\n']), [['', true]]);
});

test('joins the bytes of a character that two chunks share', async () => {
  const bytes = Buffer.from('é\n').toString('latin1');
  assert.deepEqual(await lines([bytes[0]!, bytes.slice(1)]), [['é', true]]);
});

test('reads past a line beyond the limit and goes on', async () => {
  assert.deepEqual(await lines(['ab', 'cd', 'ef\nok\n', 'abcde\nabcd\nxxxxx'], 4), [[null, true], ['ok', true], [null, true], ['abcd', true], [null, false]]);
});

test('a line of a gigabyte takes no memory', async () => {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 1024; i++) yield chunk;
    yield Buffer.from('\n{}\n');
  }
  const before = process.memoryUsage().rss;
  let peak = 0;
  const found: (number | null)[] = [];
  for await (const line of readLines(stream())) {
    peak = Math.max(peak, process.memoryUsage().rss);
    found.push(line.text === null ? null : line.text.length);
  }
  assert.deepEqual(found, [null, 2]);
  assert.ok(peak - before < 100 * 1024 * 1024, `grew by ${peak - before} bytes`);
});
