/** gRPC by way of a whole capture: what is recorded of its messages and its status, and how it is refused. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import type { FlowRecord } from '../../../core/index.ts';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { ask, type Answer } from '../http2/ask.ts';

const frame = (data: Buffer | string, flags = 0): Buffer => {
  const bytes = Buffer.from(data);
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};
const REQUEST = { ':method': 'POST', ':path': '/pkg.Greeter/SayHello', 'content-type': 'application/grpc', te: 'trailers' };
const OK = { 'grpc-status': '0' };

interface Call {
  readonly request?: OutgoingHttpHeaders;
  readonly body?: Buffer;
  readonly response?: OutgoingHttpHeaders;
  /** Null: the head ends the response. */
  readonly answer?: Buffer | null;
  readonly trailers?: OutgoingHttpHeaders;
  readonly options?: StageOptions;
  readonly look?: (stage: Stage, record: FlowRecord) => void;
}

async function call({ request = {}, body = frame('hello'), response = {}, answer = frame('world'), trailers = OK, options = {}, look = () => {} }: Call): Promise<{ record: FlowRecord; answer: Answer; reached: number }> {
  let reached = 0;
  await using origin = await Origin.h2((stream: ServerHttp2Stream) => {
    reached++;
    stream.resume();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...response }, { endStream: answer === null, waitForTrailers: answer !== null });
    if (answer === null) return;
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(answer);
  });
  await using stage = await Stage.open({ 'api.test': origin }, options);
  const session = await stage.h2('api.test');
  const came = await ask(session, { ...REQUEST, ...request }, body.toString('latin1'));
  session.destroy();
  const record = await stage.record();
  look(stage, record);
  return { record, answer: came, reached };
}

const shown = ({ grpc }: FlowRecord): unknown[] => grpc!.messages.map(({ from, size, data, compressed }) => [from, size, data, compressed]);

/** `ask` sends text: these bodies are read as latin1. */
describe('a gRPC call', () => {
  test('has its messages, its status and its name in the record', async () => {
    const { record } = await call({ body: Buffer.concat([frame('one'), frame(''), frame('two')]), trailers: { 'grpc-status': '5', 'grpc-message': 'no %E6%BC%A2 100%' } });
    assert.deepEqual(shown(record), [['client', 3, 'one', false], ['client', 0, null, false], ['client', 3, 'two', false], ['server', 5, 'world', false]]);
    assert.deepEqual({ ...record.grpc!, messages: [] }, {
      messages: [], message_count: { up: 3, down: 1 }, messages_truncated: false, messages_file: null,
      format: 'grpc', service: 'pkg.Greeter', method: 'SayHello', status: 5, status_name: 'NOT_FOUND', status_message: 'no 漢 100%', fault: null,
    });
    assert.deepEqual(record.response!.trailers, [['grpc-status', '5'], ['grpc-message', 'no %E6%BC%A2 100%']]);
  });

  test('whose head is all of its answer has the status of the head', async () => {
    const { record, answer } = await call({ response: { 'grpc-status': '12', 'grpc-message': 'no such method' }, answer: null });
    assert.equal(answer.raw[answer.raw.indexOf('grpc-status') + 1], '12');
    assert.deepEqual([record.grpc!.status_name, record.grpc!.status_message, record.grpc!.message_count], ['UNIMPLEMENTED', 'no such method', { up: 1, down: 0 }]);
  });

  test('with compressed messages has them uncompressed', async () => {
    const long = 'long '.repeat(100_000);
    const { record } = await call({
      request: { 'grpc-encoding': 'deflate' },
      response: { 'grpc-encoding': 'gzip' },
      body: frame('ascii'),
      answer: Buffer.concat([frame(gzipSync('small'), 1), frame(gzipSync(long, { level: 0 }), 1), frame('plain'), frame(gzipSync(''), 1)]),
    });
    assert.deepEqual(shown(record), [['client', 5, 'ascii', false], ['server', 5, 'small', true], ['server', long.length, long, true], ['server', 5, 'plain', false], ['server', 0, null, true]]);
    const odd = await call({ response: { 'grpc-encoding': 'snappy' }, answer: frame('\x01\x02', 1) });
    assert.deepEqual(shown(odd.record)[1], ['server', 2, '\x01\x02', true], 'a coding that nobody here knows');
    const wrong = await call({ response: { 'grpc-encoding': 'gzip' }, answer: Buffer.concat([frame('no gzip', 1), frame(deflateSync('x'), 0)]) });
    assert.deepEqual(shown(wrong.record)[1], ['server', 7, 'no gzip', true], 'what is no gzip is shown as it is');
    const bomb = await call({ response: { 'grpc-encoding': 'gzip' }, answer: frame(gzipSync(Buffer.alloc(32 << 20)), 1) });
    assert.deepEqual([bomb.record.outcome, bomb.record.grpc!.messages[1]!.data_truncated], ['completed', true]);
    assert.ok(bomb.record.grpc!.messages[1]!.size < 16 << 20);
  });

  test('of one large message has it in a file', async () => {
    const large = Buffer.alloc(300_000, 'abc');
    await call({ answer: frame(large), options: { bodies: { limit: 1000 } }, look: (stage, { grpc }) => {
      const { size, data_file } = grpc!.messages[1]!;
      assert.equal(size, large.length);
      assert.ok(readFileSync(join(stage.directory, data_file!)).equals(large));
    } });
  });

  test('that is framed wrongly passes all the same, and the record says why it was not read', async () => {
    const flags = await call({ answer: Buffer.concat([frame('a'), frame('b', 2)]) });
    assert.equal(flags.answer.body.length, 12);
    assert.deepEqual([shown(flags.record).length, flags.record.grpc!.fault], [2, 'a message has the flags 0x02, which mean nothing']);
    const cut = await call({ answer: Buffer.concat([frame('a'), frame('bcd').subarray(0, 6)]) });
    assert.deepEqual([shown(cut.record).length, cut.record.grpc!.fault], [2, 'the body ends in the middle of a message']);
  });

  test('over gRPC-Web has the status of its last frame, as bytes and as text', async () => {
    const trailers = frame('grpc-status: 9\r\nGrpc-Message: not%20now\r\n', 0x80);
    const web = await call({ request: { 'content-type': 'application/grpc-web+proto' }, response: { 'content-type': 'application/grpc-web+proto' }, answer: Buffer.concat([frame('a'), trailers]), trailers: {} });
    const base64 = (...parts: Buffer[]): Buffer => Buffer.from(parts.map((part) => part.toString('base64')).join(''));
    const text = await call({
      request: { 'content-type': 'application/grpc-web-text' }, body: base64(frame('hello')),
      response: { 'content-type': 'application/grpc-web-text+proto' }, answer: base64(frame('a'), trailers), trailers: {},
    });
    for (const [{ record }, format] of [[web, 'grpc-web'], [text, 'grpc-web-text']] as const) {
      assert.deepEqual(shown(record), [['client', 5, 'hello', false], ['server', 1, 'a', false]]);
      assert.deepEqual([record.grpc!.format, record.grpc!.status_name, record.grpc!.status_message, record.grpc!.fault], [format, 'FAILED_PRECONDITION', 'not now', null]);
    }
    const broken = await call({ request: { 'content-type': 'application/grpc-web-text' }, body: base64(frame('hello')), response: { 'content-type': 'application/grpc-web-text' }, answer: Buffer.from('AA*A'), trailers: {} });
    assert.equal(broken.record.grpc!.fault, 'the body is no base64');
  });

  test('is observed message by message, uncompressed', async () => {
    for (const hook of ['onRequest', 'onResponse'] as const) {
      const seen: unknown[] = [];
      await call({
        response: { 'grpc-encoding': 'gzip' }, answer: frame(gzipSync('world'), 1),
        options: { tap: (hooks) => hooks[hook].tap('test', (flow) => flow.observeMessages(({ from, kind, size, data }) => void seen.push([from, kind, size, Buffer.from(data!).toString()]))) },
      });
      assert.deepEqual(seen.at(-1), ['server', 'grpc', 5, 'world']);
      if (hook === 'onRequest') assert.deepEqual(seen[0], ['client', 'grpc', 5, 'hello']);
    }
  });
});

describe('what is answered to gRPC in the place of the upstream', () => {
  const field = ({ raw }: Answer, name: string): string | undefined => raw[raw.indexOf(name) + 1];

  test('a denial is PERMISSION_DENIED, and names the rule', async () => {
    for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc-web']) {
      const { record, answer, reached } = await call({ request: { 'content-type': type }, options: { tap: (hooks) => hooks.onRequest.tap('test', () => ({ action: 'deny', rule: 'größer als erlaubt' })) } });
      assert.deepEqual([answer.status, field(answer, 'content-type'), field(answer, 'grpc-status'), reached], [200, type, '7', 0]);
      assert.equal(field(answer, 'grpc-message'), 'denied: api.test by gr%C3%B6%C3%9Fer als erlaubt');
      assert.equal(field(answer, 'x-mentu-violation'), record.violation!.id);
      assert.deepEqual([record.outcome, record.error!.code, record.violation!.rule, record.grpc!.status_name, record.grpc!.status_message], ['denied', 'denied', 'größer als erlaubt', 'PERMISSION_DENIED', 'denied: api.test by größer als erlaubt']);
      assert.deepEqual(shown(record), [['client', 5, 'hello', false]]);
    }
  });

  test('a failure is UNAVAILABLE', async () => {
    await using stage = await Stage.open({ 'api.test': '127.0.0.1:1' });
    const session = await stage.h2('api.test');
    const answer = await ask(session, REQUEST, frame('hello').toString('latin1'));
    assert.deepEqual([answer.status, field(answer, 'grpc-status'), field(answer, 'x-mentu-error')], [200, '14', 'connect_failed']);
    const record = await stage.record();
    assert.deepEqual([record.outcome, record.error!.code, record.grpc!.status_name], ['failed', 'connect_failed', 'UNAVAILABLE']);
    session.destroy();
  });

  test('over HTTP/1.1 it has a length, so that the connection may be kept', async () => {
    await using stage = await Stage.open({}, { tap: (hooks) => hooks.onRequest.tap('test', () => ({ action: 'deny', rule: 'no' })) });
    const client = await stage.wire('api.test');
    client.write('POST /a.B/C HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 0\r\n\r\n');
    const { head } = await client.takeResponse();
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n[^]*grpc-status: 7\r\n[^]*content-length: 0\r\n/);
    await stage.record();
  });
});
