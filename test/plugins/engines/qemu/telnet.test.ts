import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { TelnetInput, TelnetOutput } from '../../../../plugins/engines/qemu/telnet.ts';

const MARK = 'mark 1234';
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What is shown of bytes that come in pieces of a size. */
async function shown(text: string, size: number): Promise<string> {
  const output = new TelnetOutput(MARK);
  const all = buffer(output);
  for (let at = 0; at < text.length; at += size) output.write(bytes(text.slice(at, at + size)));
  output.end();
  return (await all).toString('latin1');
}

async function typed(text: string): Promise<string> {
  const input = new TelnetInput();
  input.end(bytes(text));
  return (await buffer(input)).toString('latin1');
}

test('what is typed reaches the terminal as it is: escapes doubled, line feeds kept apart from carriage returns', async () => {
  assert.equal(await typed('plain\x03\x04\n'), 'plain\x03\x04\n');
  assert.equal(await typed('a\xffb\xff'), 'a\xff\xffb\xff\xff');
  assert.equal(await typed('a\r\nb\r'), 'a\r\xff\xf1\nb\r\xff\xf1');
});

test('what is shown lies between the marks, wherever the pieces part', async () => {
  const greeting = '\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03\r\r\n';
  const text = `${greeting}${MARK}first \xff\xff\xff\xff two\xff\xf1 mark 12 mark 1mark 123${MARK}beyond`;
  for (let size = 1; size <= text.length; size++) assert.equal(await shown(text, size), 'first \xff\xff two mark 12 mark 1mark 123', `pieces of ${size}`);
});

test('without its second mark, a guest that was lost has shown all that came', async () => {
  for (const size of [1, 3, 100]) assert.equal(await shown(`x${MARK}words mark 12`, size), 'words mark 12');
  assert.equal(await shown('never begun', 4), '');
});

test('it is complete with the second mark, and at the end of all', async () => {
  const output = new TelnetOutput(MARK);
  output.resume();
  let complete = false;
  void output.complete.then(() => (complete = true));
  output.write(bytes(`${MARK}words`));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(complete, false);
  output.write(bytes(MARK));
  await output.complete;
  const lost = new TelnetOutput(MARK);
  lost.resume().end();
  await lost.complete;
});
