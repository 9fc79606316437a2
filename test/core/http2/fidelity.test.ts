/** What reaches origin and client over HTTP/2, and between the versions. */
import assert from 'node:assert/strict';
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { curl } from '../../stage/program.ts';
import { ask } from './ask.ts';

async function over(handler: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: string[]) => void, act: (session: ClientHttp2Session, stage: Stage) => Promise<void>): Promise<void> {
  await using origin = await Origin.h2(handler);
  await using stage = await Stage.open({ 'api.test': origin });
  const session = await stage.h2('api.test');
  await act(session, stage);
  session.destroy();
}

describe('HTTP/2 keeps', () => {
  test('the fields: order, duplicates, cookie crumbs, bytes beyond ASCII; both ways', () => {
    let got: string[] = [];
    return over(
      (stream, _headers, raw) => {
        got = raw;
        stream.respond([':status', '299', 'set-cookie', 'a=1', 'x-b', '1', 'set-cookie', 'b=2', 'X-Upper', 'y', 'x-b', '2'] as unknown as OutgoingHttpHeaders);
        stream.end('body');
      },
      async (session, stage) => {
        const answer = await ask(session, [':method', 'GET', ':scheme', 'https', ':authority', 'api.test', ':path', '/a?b=%zz', 'cookie', 'a=1', 'x-b', '1', 'cookie', 'b=2', 'x-b', '2', 'te', 'trailers']);
        assert.deepEqual(got, [':method', 'GET', ':scheme', 'https', ':authority', 'api.test', ':path', '/a?b=%zz', 'cookie', 'a=1', 'x-b', '1', 'cookie', 'b=2', 'x-b', '2', 'te', 'trailers']);
        const named = answer.raw.filter((_part, at) => at % 2 === 0);
        assert.deepEqual(named.filter((name) => name !== 'date'), [':status', 'set-cookie', 'x-b', 'set-cookie', 'x-upper', 'x-b']);
        assert.equal(answer.raw.filter((name) => name === 'date').length, 1, 'no date of ours beside the origin\'s');
        const record = await stage.record();
        assert.equal(record.http_version, '2');
        assert.equal(record.request?.url, 'https://api.test/a?b=%zz');
        assert.deepEqual(record.request?.headers, [['cookie', 'a=1'], ['x-b', '1'], ['cookie', 'b=2'], ['x-b', '2'], ['te', 'trailers']]);
        assert.equal(record.response?.status, 299);
        assert.equal(record.upstream?.http_version, '2');
      },
    );
  });

  test('bodies and trailers, both ways, also beside a content-length', () => {
    let sum: string | undefined;
    return over(
      (stream) => {
        stream.on('trailers', (trailers) => (sum = trailers['x-sum'] as string));
        let body = '';
        stream.on('data', (chunk) => (body += chunk)).on('end', () => {
          stream.respond({ ':status': 200, 'content-length': body.length }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-twice': ['1', '2'] }));
          stream.end(body);
        });
      },
      async (session, stage) => {
        const answer = await ask(session, { ':path': '/', ':method': 'POST' }, 'hello', { 'x-sum': 'abc' });
        assert.equal(answer.body, 'hello');
        assert.deepEqual(answer.trailers, ['grpc-status', '0', 'x-twice', '1', 'x-twice', '2']);
        assert.equal(sum, 'abc');
        const record = await stage.record();
        assert.deepEqual(record.request?.trailers, [['x-sum', 'abc']]);
        assert.deepEqual(record.response?.trailers, [['grpc-status', '0'], ['x-twice', '1'], ['x-twice', '2']]);
      },
    );
  });

  test('trailers alone, as gRPC has them', () =>
    over(
      (stream) => stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true }),
      async (session, stage) => {
        const answer = await ask(session, { ':path': '/', ':method': 'POST' }, 'x');
        assert.equal(answer.raw[answer.raw.indexOf('grpc-status') + 1], '5');
        assert.equal((await stage.record()).response?.body, null);
      },
    ));

  test('HEAD, 204 and 304 without bodies', () =>
    over(
      (stream, headers) => {
        const status = Number(headers[':path']!.slice(1));
        stream.respond({ ':status': status, ...(status === 200 ? { 'content-length': 1000 } : {}) }, { endStream: true });
      },
      async (session, stage) => {
        assert.equal((await ask(session, { ':path': '/200', ':method': 'HEAD' })).raw.includes('content-length'), true);
        assert.equal((await ask(session, { ':path': '/204' })).status, 204);
        assert.equal((await ask(session, { ':path': '/304' })).status, 304);
        assert.deepEqual((await stage.recorded(3)).map(({ outcome }) => outcome), ['completed', 'completed', 'completed']);
      },
    ));

  test('early hints and 100 (Continue)', () =>
    over(
      (stream, headers) => {
        if (headers['expect']) stream.additionalHeaders({ ':status': 100 });
        stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
        stream.on('end', () => {
          stream.respond({ ':status': 200 });
          stream.end('ok');
        }).resume();
      },
      async (session, stage) => {
        const answer = await ask(session, { ':path': '/', ':method': 'POST', expect: '100-continue' }, 'late');
        assert.deepEqual(answer.informational, [[100, []], [103, ['link', '</a.css>; rel=preload']]]);
        assert.deepEqual((await stage.record()).response?.informational.map(({ status }) => status), [100, 103]);
      },
    ));

  test('large heads, and heads of many fields', () => {
    const big = 'x'.repeat(60_000);
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, String(i)]));
    return over(
      (stream, headers) => {
        stream.respond({ ':status': 200, 'x-length': String(String(headers['x-big'] ?? '').length), 'x-count': String(Object.keys(headers).filter((name) => /^x-\d/.test(name)).length), ...many });
        stream.end(big);
      },
      async (session) => {
        const answer = await ask(session, { ':path': '/', 'x-big': big });
        assert.equal(answer.raw[answer.raw.indexOf('x-length') + 1], '60000');
        assert.equal(answer.raw[answer.raw.indexOf('x-299') + 1], '299');
        const second = await ask(session, { ':path': '/', ...many });
        assert.equal(second.raw[second.raw.indexOf('x-count') + 1], '300');
      },
    );
  });

  test('a hundred streams at once apart', () =>
    over(
      (stream, headers) => {
        let body = '';
        stream.on('data', (chunk) => (body += chunk)).on('end', () => setTimeout(() => {
          stream.respond({ ':status': 200 });
          stream.end(headers[':path'] + body);
        }, Number(headers[':path']!.slice(1)) % 7));
      },
      async (session, stage) => {
        const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(session, { ':path': `/${i}`, ':method': 'POST' }, 'b'.repeat(i * 100))));
        answers.forEach(({ body }, i) => assert.equal(body, `/${i}${'b'.repeat(i * 100)}`));
        await stage.recorded(100);
      },
    ));
});

test('a length-less answer over HTTP/1.1 and one over HTTP/2 reach curl alike', async () => {
  await using origin = await Origin.https((_request, response) => {
    response.write('one ');
    setTimeout(() => response.end('two'), 20);
  });
  await using stage = await Stage.open({ 'api.test': origin });
  assert.equal((await curl(stage, 'https://api.test/')).stdout, 'one two');
  assert.equal((await curl(stage, '--http1.1', 'https://api.test/')).stdout, 'one two');
});

test('HTTP/2 in the clear, with prior knowledge, passes', async () => {
  await using origin = await Origin.h2c((stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(`${headers[':scheme']} ${headers[':authority']}`);
  });
  await using stage = await Stage.open({ 'api.test': origin });
  const result = await curl(stage, '--proxytunnel', '--http2-prior-knowledge', 'http://api.test/');
  assert.equal(result.stdout, 'http api.test', result.stderr);
  const record = await stage.record();
  assert.equal(record.http_version, '2');
  assert.equal(record.request?.url, 'http://api.test/');
});
