import assert from 'node:assert/strict';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { MarkedOutput } from '../../../../plugins/engines/qemu/marked-output.ts';

const MARK = '\x1e\x02mark';

async function shown(input: string, size: number): Promise<string> {
  const output = new MarkedOutput(MARK);
  const result = text(output);
  for (let at = 0; at < input.length; at += size) output.write(Buffer.from(input.slice(at, at + size), 'latin1'));
  output.end();
  return result;
}

test('what comes before the mark is shown, wherever the pieces part', async () => {
  const input = `one \x1e two \x1e\x02mar three${MARK}beyond`;
  for (let size = 1; size <= input.length; size++) assert.equal(await shown(input, size), 'one \x1e two \x1e\x02mar three', `pieces of ${size}`);
});

test('without the mark, all that came is shown in the end', async () => {
  for (const size of [1, 4, 100]) assert.equal(await shown('words \x1e\x02ma', size), 'words \x1e\x02ma');
});

test('what cannot be the beginning of the mark is shown at once', async () => {
  const output = new MarkedOutput(MARK);
  output.write('Name: ');
  const [bytes] = (await once(output, 'data')) as [Buffer];
  assert.equal(bytes.toString(), 'Name: ');
  output.destroy();
});

test('it is complete with the mark, and not before', async () => {
  const output = new MarkedOutput(MARK);
  output.resume();
  let complete = false;
  void output.complete.then(() => (complete = true));
  output.write('words');
  await new Promise(setImmediate);
  assert.equal(complete, false);
  output.write(MARK);
  await output.complete;
  assert.equal(output.received, 'words'.length + MARK.length);
});
