import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { DataRecord, MessageList, MessageRecord } from '../../../core/record-parts.ts';
import { BodyStore } from '../../../core/recorder/bodies.ts';
import type { CaptureSettings } from '../../../core/recorder/body-capture.ts';
import { BodyReader } from '../../../core/recorder/body-text.ts';
import { BeginningCapture, MessageCapture, NO_DATA, dataRecord } from '../../../core/recorder/data-capture.ts';
import { MessageLog } from '../../../core/recorder/message-log.ts';
import { Spool } from '../../../core/recorder/spool.ts';

const job = mkdtempSync(join(tmpdir(), 'mentu-messages-'));
const store = new BodyStore(job, { quota: 1 << 30, warn: (error) => assert.fail(error) });
after(async () => {
  await store.close();
  rmSync(job, { recursive: true });
});

function settings(limit: number, more: Partial<CaptureSettings> = {}): CaptureSettings {
  return { limit, keep: 'whole', store, reader: new BodyReader(limit), ...more };
}

function message(at: number, data: DataRecord = { ...NO_DATA, data: `message ${at}`, data_encoding: 'utf8' }): MessageRecord {
  return { at, from: at % 3 === 0 ? 'client' : 'server', size: data.data?.length ?? 0, ...data };
}

const finished = (log: MessageLog<MessageRecord>): Promise<MessageList<MessageRecord>> => new Promise((resolve) => log.finish(resolve));

async function logged(log: MessageLog<MessageRecord>, count: number): Promise<MessageList<MessageRecord>> {
  let drained = (): void => {};
  log.onDrain = () => drained();
  for (let at = 0; at < count; at++) {
    const one = message(at);
    if (!log.add(one.from, (done) => done(one))) await new Promise<void>((resolve) => (drained = resolve));
  }
  return finished(log);
}

test('few messages are listed and make no file', async () => {
  const list = await logged(new MessageLog(settings(1024)), 3);
  assert.deepEqual(list, { messages: [message(0), message(1), message(2)], message_count: { up: 1, down: 2 }, messages_truncated: false, messages_file: null });
});

test('of many, the first thousand are listed and all lie in a file, a line each', async () => {
  const list = await logged(new MessageLog(settings(1 << 20)), 100_000);
  assert.equal(list.messages.length, 1000);
  assert.deepEqual(list.message_count, { up: 33_334, down: 66_666 });
  assert.equal(list.messages_truncated, true);
  const bytes = readFileSync(join(job, list.messages_file!));
  assert.equal(list.messages_file, `bodies/${createHash('sha256').update(bytes).digest('hex')}`);
  const lines = bytes.toString().trimEnd().split('\n');
  assert.equal(lines.length, 100_000);
  assert.deepEqual(lines.map((line) => (JSON.parse(line) as MessageRecord).at), Array.from({ length: 100_000 }, (_, at) => at));
});

test('the data of those listed stay about the limit of a body', async () => {
  const list = await logged(new MessageLog(settings(100)), 50);
  assert.equal(list.messages.length, 12); // 9 letters each, and those from the tenth on 10
  assert.ok(list.messages_file);
});

test('where no bodies are kept, messages beyond the list are counted and no file is made', async () => {
  const list = await logged(new MessageLog(settings(1 << 20, { keep: 'none', store: null })), 2000);
  assert.equal(list.messages.length, 1000);
  assert.deepEqual([list.message_count, list.messages_truncated, list.messages_file], [{ up: 667, down: 1333 }, true, null]);
});

test('a message whose data come late keeps its place, and those behind it ask for a pause', async () => {
  const log = new MessageLog<MessageRecord>(settings(1 << 20));
  let late = (_message: MessageRecord): void => {};
  let drained = 0;
  log.onDrain = () => drained++;
  assert.equal(log.add('client', (done) => (late = done)), true);
  let paused = 0;
  for (let at = 1; at < 70; at++) if (!log.add('server', (done) => done(message(at)))) paused++;
  assert.ok(paused > 0, 'it asked for a pause');
  assert.equal(drained, 0);
  const list = finished(log);
  late(message(0));
  assert.equal(drained, 1);
  assert.deepEqual((await list).messages.map(({ at }) => at), Array.from({ length: 70 }, (_, at) => at));
});

test('a source that has not paused yet, and finds room, lets the others go on', async () => {
  // What other files of the job have waiting for the disk.
  const account = { pending: 1 << 20, pendingLimit: 1 << 19, admit: () => true };
  const spool = new Spool(join(job, 'bodies', '.partial-message-log'), account);
  const log = new MessageLog(settings(1, { store: { create: () => spool } as unknown as BodyStore }));
  let drained = 0;
  log.onDrain = () => drained++;
  const add = (): boolean => log.add('server', (done) => done(message(1)));
  assert.deepEqual([add(), add(), drained], [true, false, 0]);
  account.pending -= 1 << 20;
  assert.deepEqual([add(), drained], [true, 1]);
  await new Promise((resolve) => spool.end(resolve));
});

async function whole(chunks: readonly Buffer[], made: CaptureSettings): Promise<DataRecord> {
  const capture = new MessageCapture(made);
  for (const chunk of chunks) capture.write(chunk);
  return new Promise((resolve) => capture.finish(resolve));
}

test('a message up to the limit is in the record, a longer one in a file of its own', async () => {
  assert.deepEqual(await whole([Buffer.from('he'), Buffer.from('llo')], settings(5)), { data: 'hello', data_encoding: 'utf8', data_truncated: false, data_file: null });
  assert.deepEqual(await whole([Buffer.from([0, 255])], settings(5)), { data: 'AP8=', data_encoding: 'base64', data_truncated: false, data_file: null });
  const long = await whole([Buffer.from('hello '), Buffer.from('world')], settings(5));
  assert.deepEqual([long.data, long.data_truncated], ['hello', true]);
  assert.equal(readFileSync(join(job, long.data_file!), 'utf8'), 'hello world');
  assert.deepEqual(await whole([Buffer.from('hell'), Buffer.from('ö')], settings(5)), { ...NO_DATA, data: 'hell', data_encoding: 'utf8', data_truncated: true, data_file: `bodies/${createHash('sha256').update('hellö').digest('hex')}` });
  assert.deepEqual(await whole([Buffer.from('hello')], settings(2, { store: null })), { ...NO_DATA, data: 'he', data_encoding: 'utf8', data_truncated: true });
  assert.deepEqual(await whole([], settings(5)), NO_DATA);
});

test('long messages are listed and written as short ones are, and their memory is used again', async () => {
  const made = settings(1 << 20);
  const log = new MessageLog<MessageRecord>(made);
  const sent: DataRecord[] = [];
  let drained = (): void => {};
  log.onDrain = () => drained();
  for (let at = 0; at < 60; at++) {
    const bytes = at % 2 === 0 ? randomBytes(150_000) : Buffer.from('grüße, "Welt" '.repeat(10_000));
    const capture = new MessageCapture(made);
    for (let from = 0; from < bytes.length; from += 40_000) capture.write(bytes.subarray(from, from + 40_000));
    sent.push(dataRecord(bytes, false));
    const added = log.add('client', (done) => capture.finish((data, long) => done({ at, from: 'client', size: capture.size, ...data }, long)));
    if (!added) await new Promise<void>((resolve) => (drained = resolve));
  }
  const list = await finished(log);
  const blocks: Buffer[] = [];
  for (let block = store.blocks.take(); block; block = store.blocks.take()) blocks.push(block);
  assert.equal(blocks.length, 128, 'all have come back');
  store.blocks.give(blocks);
  assert.ok(list.messages.length > 1 && list.messages.length < 20);
  const lines = readFileSync(join(job, list.messages_file!), 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 60);
  lines.forEach((line, at) => assert.ok(line === JSON.stringify({ at, from: 'client', size: at % 2 === 0 ? 150_000 : 160_000, ...sent[at] }), String(at)));
  list.messages.forEach((message, at) => assert.equal(message.data, sent[at]!.data));
});

test('a message that is dropped gives its memory back, and its file goes', async () => {
  for (let at = 0; at < 130; at++) {
    const capture = new MessageCapture(settings(1000));
    for (const text of ['begun', ' and broken off']) capture.write(Buffer.from(text));
    capture.drop();
    capture.drop();
  }
  const block = store.blocks.take();
  assert.notEqual(block, null, 'the pool still lends');
  store.blocks.give([block!]);
  const { bytes } = store;
  const long = new MessageCapture(settings(5));
  long.write(Buffer.from('longer than that'));
  assert.equal(store.bytes, bytes + 16);
  long.drop();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(store.bytes, bytes);
});

test('messages beyond the limit show their beginning, lie in files, and their memory is used again', async () => {
  const made = settings(100_000);
  const log = new MessageLog<MessageRecord>(made);
  let drained = (): void => {};
  log.onDrain = () => drained();
  const sent: Buffer[] = [];
  for (let at = 0; at < 30; at++) {
    const bytes = at % 2 === 0 ? randomBytes(150_000) : Buffer.from('grüße, "Welt" '.repeat(10_000) + at);
    sent.push(bytes);
    const capture = new MessageCapture(made);
    for (let from = 0; from < bytes.length; from += 40_000) capture.write(bytes.subarray(from, from + 40_000));
    const added = log.add('client', (done) => capture.finish((data, long) => done({ at, from: 'client', size: capture.size, ...data }, long)));
    if (!added) await new Promise<void>((resolve) => (drained = resolve));
  }
  const list = await finished(log);
  const blocks: Buffer[] = [];
  for (let block = store.blocks.take(); block; block = store.blocks.take()) blocks.push(block);
  assert.equal(blocks.length, 128, 'all have come back');
  store.blocks.give(blocks);
  const lines = readFileSync(join(job, list.messages_file!), 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 30);
  lines.forEach((line, at) => {
    const data_file = `bodies/${createHash('sha256').update(sent[at]!).digest('hex')}`;
    assert.ok(line === JSON.stringify({ at, from: 'client', size: sent[at]!.length, ...dataRecord(sent[at]!.subarray(0, 100_000), true), data_file }), String(at));
    assert.ok(readFileSync(join(job, data_file)).equals(sent[at]!));
  });
});

test('where no bodies are kept, a message is counted and not shown', async () => {
  assert.deepEqual(await whole([Buffer.from('secret')], settings(5, { keep: 'none', store: null })), { ...NO_DATA, data_truncated: true });
});

test('the beginning of a connection is kept, and its bytes are counted', () => {
  const beginning = new BeginningCapture(8);
  assert.deepEqual(beginning.record(), NO_DATA);
  for (const text of ['SSH-2', '.0-Open', 'SSH']) beginning.write(Buffer.from(text));
  assert.deepEqual(beginning.record(), { data: 'SSH-2.0-', data_encoding: 'utf8', data_truncated: true, data_file: null });
  assert.equal(beginning.size, 15);
});
