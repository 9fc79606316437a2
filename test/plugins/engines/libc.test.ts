import assert from 'node:assert/strict';
import { closeSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { LibC } from '../../../plugins/engines/libc.ts';

test('the C library is loaded as often as it is wanted in one process', async () => {
  for (const libc of [await LibC.load(), await LibC.load()]) {
    const { read, write } = libc.pipe(1024 * 1024);
    const sent = Buffer.alloc(300_000, 'x');
    assert.equal(writeSync(write, sent), sent.length, 'a pipe of the usual size would not take it');
    assert.equal(libc.unread(read), sent.length);
    assert.equal(readSync(read, Buffer.alloc(sent.length)), sent.length);
    for (const fd of [read, write]) closeSync(fd);
  }
});
