/** What the record has of streamed bodies, and what plugins see of them, by way of a whole capture. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, constants, createBrotliCompress, createDeflate, createDeflateRaw, createGzip, createZstdCompress, gzipSync } from 'node:zlib';
import type { FlowMessage, FlowRecord } from '../../../core/index.ts';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';

interface Answer {
  readonly type: string;
  readonly coding?: string;
  /** With a pause after each. `null` breaks off. */
  readonly pieces: readonly (string | Buffer | null)[];
}

async function recordOf({ type, coding, pieces }: Answer, options: StageOptions = {}, look: (stage: Stage, record: FlowRecord) => void = () => {}): Promise<FlowRecord> {
  await using origin = await Origin.http(async (_request, response) => {
    response.writeHead(200, { 'content-type': type, ...(coding === undefined ? {} : { 'content-encoding': coding }) });
    for (const piece of pieces) {
      if (piece === null) return void response.socket!.destroy();
      response.write(piece);
      await sleep(15);
    }
    response.end();
  });
  await using stage = await Stage.open({ 'api.test': origin }, options);
  const client = await stage.wire('api.test');
  client.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
  await client.takeAll();
  const record = await stage.record();
  look(stage, record);
  return record;
}

const EVENTS = ['data: one\n\n', 'event: delta\nid: 2\nda', 'ta: two\n\ndata: thr', 'ee\n\n: bye\n\n'];

describe('events', () => {
  test('are in the record with the times at which they came', async () => {
    const { events, response } = await recordOf({ type: 'text/event-stream; charset=utf-8', pieces: EVENTS });
    assert.equal(response!.body, EVENTS.join(''));
    assert.deepEqual(events!.messages.map(({ at: _at, ...rest }) => rest), [
      { from: 'server', size: 3, data: 'one', data_encoding: 'utf8', data_truncated: false, data_file: null, event: 'message', event_id: null },
      { from: 'server', size: 3, data: 'two', data_encoding: 'utf8', data_truncated: false, data_file: null, event: 'delta', event_id: '2' },
      { from: 'server', size: 5, data: 'three', data_encoding: 'utf8', data_truncated: false, data_file: null, event: 'message', event_id: null },
    ]);
    assert.deepEqual({ ...events, messages: [] }, { messages: [], message_count: { up: 0, down: 3 }, messages_truncated: false, messages_file: null, format: 'event-stream', fault: null });
    const [first, second, third] = events!.messages.map(({ at }) => at);
    assert.ok(second! >= first! + 10 && third! >= second! + 10, `${first} ${second} ${third}`);
  });

  const zlib = { flush: constants.Z_SYNC_FLUSH };
  for (const [coding, compressor] of [['gzip', createGzip(zlib)], ['deflate', createDeflate(zlib)], ['deflate', createDeflateRaw(zlib)], ['br', createBrotliCompress({ flush: constants.BROTLI_OPERATION_FLUSH })], ['zstd', createZstdCompress({ flush: constants.ZSTD_e_flush })]] as const) {
    test(`in ${coding} are decoded as they come`, async () => {
      const pieces: Buffer[] = [];
      for (const event of EVENTS) {
        const out: Buffer[] = [];
        compressor.removeAllListeners('data').on('data', (chunk: Buffer) => out.push(chunk));
        await new Promise((resolve) => compressor.write(event, resolve));
        pieces.push(Buffer.concat(out));
      }
      const { events } = await recordOf({ type: 'text/event-stream', coding, pieces });
      assert.deepEqual(events!.messages.map(({ data }) => data), ['one', 'two', 'three']);
      assert.ok(events!.messages[2]!.at >= events!.messages[0]!.at + 20);
      assert.equal(events!.fault, null);
    });
  }

  test('in two codings are decoded too', async () => {
    const { events } = await recordOf({ type: 'text/event-stream', coding: 'br, gzip', pieces: [gzipSync(brotliCompressSync(EVENTS.join('')))] });
    assert.deepEqual(events!.messages.map(({ data }) => data), ['one', 'two', 'three']);
  });

  test('that are broken off have those that came whole', async () => {
    for (const coding of [undefined, 'gzip'] as const) {
      const encode = (text: string): string | Buffer => (coding ? gzipSync(text).subarray(0, -12) : text);
      const { events, outcome } = await recordOf({ type: 'text/event-stream', ...(coding && { coding }), pieces: [encode(`data: one\n\n${'data: x\n'.repeat(3)}`), null] });
      assert.equal(outcome, 'failed');
      assert.deepEqual(events!.messages.map(({ data }) => data), ['one']);
    }
  });

  test('that cannot be decoded say so', async () => {
    const broken = await recordOf({ type: 'text/event-stream', coding: 'gzip', pieces: EVENTS });
    assert.deepEqual([broken.events!.messages, broken.events!.fault], [[], 'it is no gzip']);
    const unknown = await recordOf({ type: 'text/event-stream', coding: 'squash', pieces: EVENTS });
    assert.deepEqual([unknown.events!.messages, unknown.events!.fault], [[], 'its content coding is unknown']);
    const bomb = await recordOf({ type: 'text/event-stream', coding: 'gzip', pieces: [gzipSync(Buffer.alloc(24 << 20, `data: ${'a'.repeat(4000)}\n\n`))] }, { bodies: { keep: 'none' } });
    assert.deepEqual([bomb.outcome, bomb.events!.fault], ['completed', 'it gives too many bytes when decoded']);
  });

  test('of a preset that keeps no bodies have sizes, and neither data nor the texts beside them', async () => {
    const { events } = await recordOf({ type: 'text/event-stream', pieces: EVENTS }, { bodies: { keep: 'none' } });
    assert.deepEqual(events!.messages.map(({ size, data, event, event_id }) => [size, data, event, event_id]), [3, 3, 5].map((size) => [size, null, '', null]));
  });

  test('in their thousands lie in a file, and long ones in files of their own', async () => {
    const long = 'x'.repeat(5000);
    await recordOf({ type: 'text/event-stream', pieces: ['data: a\n\n'.repeat(3000), `data: ${long}\n\n`] }, { bodies: { limit: 2000 } }, (stage, { events }) => {
      assert.deepEqual([events!.message_count.down, events!.messages_truncated], [3001, true]);
      const lines = readFileSync(join(stage.directory, events!.messages_file!), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as { size: number; data_file: string | null });
      assert.equal(lines.length, 3001);
      assert.equal(lines[3000]!.size, 5000);
      assert.equal(readFileSync(join(stage.directory, lines[3000]!.data_file!), 'utf8'), long);
    });
  });
});

test('lines of JSON are in the record, each with its time', async () => {
  for (const type of ['application/x-ndjson', 'application/jsonl; charset=utf-8']) {
    const { events } = await recordOf({ type, pieces: ['{"a":1}\n{"b"', ':2}\r\n', '{"c":3}'] });
    assert.equal(events!.format, 'ndjson');
    assert.deepEqual(events!.messages.map(({ data, event, event_id }) => [data, event, event_id]), [['{"a":1}', '', null], ['{"b":2}', '', null], ['{"c":3}', '', null]]);
  }
  const { events } = await recordOf({ type: 'application/json-seq', pieces: ['\x1e{"a":1}\n', '\x1e{"b":2}\n'] });
  assert.deepEqual(events!.messages.map(({ data }) => data), ['{"a":1}', '{"b":2}']);
});

test('other types have no events', async () => {
  assert.equal((await recordOf({ type: 'text/plain', pieces: EVENTS })).events, undefined);
});

test('plugins observe events, whether they ask at the request or at the response', async () => {
  for (const hook of ['onRequest', 'onResponse'] as const) {
    const seen: [string, string, number, string][] = [];
    await recordOf({ type: 'text/event-stream', pieces: EVENTS }, {
      tap: (hooks) => hooks[hook].tap('test', (flow) => flow.observeMessages(({ from, kind, size, data }: FlowMessage) => void seen.push([from, kind, size, Buffer.from(data!).toString()]))),
    });
    assert.deepEqual(seen, [['server', 'event', 3, 'one'], ['server', 'event', 3, 'two'], ['server', 'event', 5, 'three']]);
  }
});
