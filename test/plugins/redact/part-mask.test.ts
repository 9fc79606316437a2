/** Secrets in messages and first bytes, in the record and in the files that it names. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { CaptureHooks } from '../../../core/hooks.ts';
import type { FlowRecord, MessageList, WebSocketMessage } from '../../../core/index.ts';
import { pluginContext } from '../../../core/plugin-context.ts';
import { BodyStore } from '../../../core/recorder/bodies.ts';
import { BodyReader } from '../../../core/recorder/body-text.ts';
import { CompletedRecord } from '../../../core/recorder/completed-record.ts';
import { MessageCapture, NO_DATA } from '../../../core/recorder/data-capture.ts';
import { MessageLog } from '../../../core/recorder/message-log.ts';
import redact from '../../../plugins/redact/index.ts';
import { sampleParts, sampleRecord } from '../../core/sample-record.ts';

/** None of it may be seen, in clear or in base64. */
const SECRET = 'hunter2hunter2';
const LIMIT = 100;
let job: string;
let store: BodyStore;
beforeEach(() => {
  job = mkdtempSync(join(tmpdir(), 'mentu-redact-'));
  store = new BodyStore(job, { quota: 1 << 30, warn: (error) => assert.fail(error) });
});
afterEach(async () => {
  await store.close();
  rmSync(job, { recursive: true });
});

async function seen(record: FlowRecord, patterns: string[] = []): Promise<FlowRecord> {
  const hooks = new CaptureHooks((plugin, hook, error) => assert.fail(`${plugin} ${hook} ${String(error)}`));
  const view = { id: 'job_1', directory: job, preset: 'standard', lists: [], passthrough: [], profile: {} };
  await redact.setup(pluginContext('redact', { headers: [], fields: [], patterns, keep: [] }, { hooks, job: view, warn: () => {} }));
  const lines: string[] = [];
  hooks.forPlugin('watch').onFlowComplete.sink.tap('watch', (flow) => void lines.push(flow.line));
  await new Promise<void>((resolve) => hooks.complete(new CompletedRecord(record, store), resolve));
  return JSON.parse(lines[0]!) as FlowRecord;
}

/** The messages as the recorder lists them. */
async function listed(datas: readonly Buffer[]): Promise<MessageList<WebSocketMessage>> {
  const settings = { limit: LIMIT, keep: 'whole', store, reader: new BodyReader(LIMIT) } as const;
  const log = new MessageLog<WebSocketMessage>({ ...settings, limit: 1 << 20 });
  for (const data of datas) {
    const capture = new MessageCapture(settings);
    if (data.length > 0) capture.write(data);
    log.add('client', (done) => capture.finish((shown) => done({ at: 1, from: 'client', opcode: 'text', compressed: false, size: data.length, ...shown })));
  }
  return new Promise((resolve) => log.finish(resolve));
}

function recordOf(list: MessageList<WebSocketMessage>): FlowRecord {
  return { ...sampleRecord(), kind: 'websocket', websocket: { ...sampleParts().websocket, ...list } };
}

const files = (): string[] => readdirSync(join(job, 'bodies'));

/** Neither the record nor any file has the secret, as it is or in base64. */
function assertGone(record: FlowRecord): void {
  for (const text of [JSON.stringify(record), ...files().map((name) => readFileSync(join(job, 'bodies', name), 'latin1'))]) {
    assert.ok(!text.includes(SECRET), text.slice(0, 500));
    for (const [base64] of text.matchAll(/[A-Za-z0-9+/]{16,}={0,2}/g)) assert.ok(!Buffer.from(base64, 'base64').toString('latin1').includes(SECRET), text.slice(0, 500));
  }
}

const json = (pad = ''): Buffer => Buffer.from(JSON.stringify({ user: 'ann', password: SECRET, pad }));
const binary = (): Buffer => Buffer.concat([Buffer.from([0, 255]), json(), Buffer.from([0])]);

test('in messages: JSON, text, and bytes shown as base64', async () => {
  const record = await seen(recordOf(await listed([json(), Buffer.from(`password=${SECRET}&a=b`), binary(), Buffer.from('hello')])));
  assertGone(record);
  const [first, second, third, fourth] = record.websocket!.messages;
  assert.deepEqual([first!.data, second!.data, fourth!.data], ['{"user":"ann","password":"[redacted]","pad":""}', 'password=[redacted]&a=b', 'hello']);
  assert.match(Buffer.from(third!.data!, 'base64').toString('latin1'), /^\0\xff\{"user":"ann","password":"\[redacted\]","pad":""\}\0$/);
  assert.deepEqual(record.annotations['redact'], { masked: 3 });
});

test('in the file of a long message, also where two messages are the same', async () => {
  const long = json('x'.repeat(500));
  const record = await seen(recordOf(await listed([long, long, Buffer.alloc(300, 'y')])));
  assertGone(record);
  const [first, second, third] = record.websocket!.messages;
  assert.equal(first!.data_file, second!.data_file);
  assert.equal(JSON.parse(readFileSync(join(job, first!.data_file!), 'utf8')).password, '[redacted]');
  assert.equal(readFileSync(join(job, third!.data_file!), 'utf8'), 'y'.repeat(300));
  assert.equal(files().length, 2);
});

test('in the file of all messages, in what it names, and in the list beside it', async () => {
  const long = json('x'.repeat(500));
  const list = await listed([...Array.from({ length: 1200 }, (_, i) => (i % 100 === 0 ? json() : Buffer.from(`message ${i}`))), long, binary(), long]);
  assert.ok(list.messages_file);
  const record = await seen(recordOf(list));
  assertGone(record);
  const { messages, messages_file, message_count } = record.websocket!;
  const lines = readFileSync(join(job, messages_file!), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as WebSocketMessage);
  assert.deepEqual([lines.length, message_count.up], [1203, 1203]);
  assert.deepEqual(lines.slice(0, messages.length), messages);
  assert.equal(lines[1200]!.data_file, lines[1202]!.data_file);
  assert.match(readFileSync(join(job, lines[1200]!.data_file!), 'utf8'), /"password":"\[redacted\]"/);
  assert.equal(files().length, 2);
});

test('a file of messages without a secret stays as it was', async () => {
  const list = await listed(Array.from({ length: 1200 }, (_, i) => Buffer.from(`message ${i}`)));
  const { messages_file } = list;
  const record = await seen(recordOf(list));
  assert.equal(record.websocket!.messages_file, messages_file);
  assert.deepEqual(files(), [messages_file!.slice('bodies/'.length)]);
});

test('where redaction itself fails, no message and no file is left', async () => {
  const record = recordOf(await listed([...Array.from({ length: 1100 }, () => json()), json('x'.repeat(500))]));
  Object.defineProperty(record.websocket!, 'close', { enumerable: true, get: () => { throw new Error('not to be read'); } });
  const stripped = await seen(record);
  assertGone(stripped);
  assert.equal(stripped.websocket, undefined);
  assert.deepEqual(files(), []);
});

test('where the file of messages cannot be read, what it names is dropped with it', async () => {
  const list = await listed([...Array.from({ length: 1100 }, () => json()), json('x'.repeat(500)), json('z'.repeat(500))]);
  // A listed message that names a file which is not there cannot be rewritten, and neither can its line.
  const first = JSON.parse(readFileSync(join(job, list.messages_file!), 'utf8').split('\n')[0]!) as WebSocketMessage;
  assert.equal(first.data_file, null);
  list.messages_file = 'bodies/nothing';
  const record = await seen(recordOf(list));
  assert.equal(record.websocket!.messages_file, null);
  assert.ok(!JSON.stringify(record).includes(SECRET));
  assert.equal((record.annotations['redact'] as { dropped: { part: string }[] }).dropped[0]!.part, 'websocket');
});

test('what is still compressed is dropped: a faulty WebSocket, an unknown coding of gRPC, and its body', async () => {
  const zipped = { ...NO_DATA, data: gzipSync(json()).toString('base64'), data_encoding: 'base64' } as const;
  const record = sampleRecord({ headers: [['content-type', 'application/grpc'], ['grpc-encoding', 'snappy']], body: zipped.data, body_encoding: 'base64' });
  const { websocket, grpc } = sampleParts();
  record.websocket = { ...websocket, fault: 'client: broken', messages: [{ ...websocket.messages[0]!, ...zipped, compressed: true }] };
  record.grpc = { ...grpc, messages: [{ ...grpc.messages[0]!, ...zipped, from: 'client', compressed: true }] };
  const { websocket: masked, grpc: called, request } = await seen(record);
  assert.deepEqual([masked!.messages[0]!.data, called!.messages[0]!.data, request!.body], [null, null, null]);
});

test('in the first bytes of connections and datagrams, in the reason of a close, and by patterns of the user', async () => {
  const parts = sampleParts();
  const data = { ...NO_DATA, data: `note password=${SECRET}\r\n`, data_encoding: 'utf8' } as const;
  const record: FlowRecord = { ...sampleRecord(), tcp: { ...parts.tcp, up: { ...data }, down: { ...NO_DATA, data: Buffer.from(`\0 id 123-45-6789 ${data.data}`).toString('base64'), data_encoding: 'base64' } }, udp: { ...parts.udp, first: { ...data } } };
  record.websocket = { ...parts.websocket, close: { code: 1008, reason: `token=${SECRET}`, from: 'server' } };
  const masked = await seen(record, ['[0-9]{3}-[0-9]{2}-[0-9]{4}']);
  assertGone(masked);
  assert.equal(masked.tcp!.up.data, 'note password=[redacted]\r\n');
  assert.match(Buffer.from(masked.tcp!.down.data!, 'base64').toString(), /id \[redacted\] note password=\[redacted\]/);
  assert.equal(masked.websocket!.close!.reason, 'token=[redacted]');
});

test('in the name and the id of an event, in the list and in its file', async () => {
  const { events } = sampleParts();
  const named = { ...events.messages[0]!, ...NO_DATA, event: `token=${SECRET}`, event_id: `password: ${SECRET}` };
  const settings = { limit: LIMIT, keep: 'whole', store, reader: new BodyReader(LIMIT) } as const;
  for (const count of [1, 1001]) {
    const log = new MessageLog<typeof named>({ ...settings, limit: 1 << 20 });
    for (let i = 0; i < count; i++) log.add('server', (done) => done(named));
    const masked = await seen({ ...sampleRecord(), events: { ...events, ...(await new Promise<MessageList<typeof named>>((resolve) => log.finish(resolve))) } });
    assertGone(masked);
    const { event, event_id } = masked.events!.messages[0]!;
    assert.deepEqual([event, event_id, masked.events!.messages_file !== null], ['token=[redacted]', 'password: [redacted]', count > 1]);
  }
});

test('in a protocol whose credentials cannot be told apart, what the client sent is dropped', async () => {
  const { tcp } = sampleParts();
  const data = { ...NO_DATA, data: `alice ${SECRET}`, data_encoding: 'utf8' } as const;
  const record = await seen({ ...sampleRecord(), tcp: { ...tcp, protocol: 'telnet', up: { ...data }, down: { ...data, data: 'Password:' } } });
  assertGone(record);
  assert.deepEqual([record.tcp!.up, record.tcp!.down.data], [{ ...NO_DATA, data_truncated: true }, 'Password:']);
  assert.deepEqual(record.annotations['redact'], { masked: 1, dropped: [{ part: 'tcp', reason: 'credentials cannot be told apart in what a client of telnet sends' }] });
});
