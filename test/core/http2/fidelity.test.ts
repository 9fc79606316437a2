/** What reaches origin and client over HTTP/2, and between the versions. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { performServerHandshake, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { curl } from '../../stage/program.ts';
import { soon } from '../../stage/wire.ts';

interface Answer {
  readonly status: number;
  readonly raw: string[];
  readonly body: string;
  readonly trailers: string[];
  readonly informational: [number, string[]][];
}

/** Sends a request and reads the whole answer. */
export async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders | string[], body: string | null = null, trailers: OutgoingHttpHeaders | null = null): Promise<Answer> {
  const named = Array.isArray(headers) ? headers : { ':authority': 'api.test', ...headers };
  const stream = session.request(named as OutgoingHttpHeaders, { endStream: body === null, waitForTrailers: trailers !== null });
  if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== null) stream.end(body);
  return soon('the answer', answerOf(stream));
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const informational: [number, string[]][] = [];
  let trailers: string[] = [];
  let body = '';
  stream.on('headers', (_headers, _flags, raw) => void informational.push([Number((raw as unknown as string[])[1]), (raw as unknown as string[]).slice(2)]));
  stream.on('trailers', (_headers, _flags, raw) => void (trailers = raw as unknown as string[]));
  stream.setEncoding('latin1').on('data', (chunk: string) => (body += chunk));
  const [headers, , raw] = (await once(stream, 'response')) as [IncomingHttpHeaders, number, string[]];
  if (!stream.readableEnded) await once(stream, 'end');
  return { status: Number(headers[':status']), raw, body, trailers, informational };
}

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

describe('between the versions', () => {
  test('a client of HTTP/2 reaches an upstream of HTTP/1.1', async () => {
    let got = '';
    await using origin = await Origin.fickle('h2', (socket) => {
      socket.on('data', (chunk: Buffer) => {
        got += chunk.toString('latin1');
        if (!got.endsWith('0\r\nx-sum: 1\r\n\r\n')) return;
        socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
        socket.write('HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nX-Mixed: Case\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n');
        socket.write('2\r\nok\r\n0\r\nX-End: 1\r\n\r\n');
      });
    });
    await using stage = await Stage.open({ 'api.test': origin });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    const session = await stage.h2('api.test');
    const answer = await ask(session, { ':path': '/x', ':method': 'POST', cookie: ['a=1', 'b=2'], te: 'trailers', 'x-a': '1' }, 'hello', { 'x-sum': '1' });
    assert.equal(got, 'POST /x HTTP/1.1\r\nhost: api.test\r\ncookie: a=1; b=2\r\nte: trailers\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n');
    assert.deepEqual(answer.informational, [[103, ['link', '</a>']]]);
    assert.deepEqual(answer.raw, [':status', '200', 'x-mixed', 'Case', 'trailer', 'X-End']);
    assert.equal(answer.body, 'ok');
    assert.deepEqual(answer.trailers, ['x-end', '1']);
    const record = (await stage.recorded(2))[1]!;
    assert.deepEqual([record.request?.http_version, record.response?.http_version, record.upstream?.http_version], ['2', '1.1', '1.1']);
    assert.deepEqual(record.response?.headers.map(([name]) => name), ['Connection', 'X-Hop', 'Keep-Alive', 'Upgrade', 'X-Mixed', 'Transfer-Encoding', 'Trailer'], 'the record shows what the upstream sent');
    session.destroy();
  });

  test('many streams of a client of HTTP/2 share several connections of HTTP/1.1, also where these end after each answer', async () => {
    for (const connection of ['keep-alive', 'close']) {
      await using origin = await Origin.fickle('h2', (socket) => {
        socket.on('data', (chunk: Buffer) => {
          const path = /^GET (\S+)/.exec(chunk.toString())![1]!;
          setTimeout(() => socket.write(`HTTP/1.1 200 OK\r\nConnection: ${connection}\r\nContent-Length: ${path.length}\r\n\r\n${path}`), 5);
        });
      });
      await using stage = await Stage.open({ 'api.test': origin });
      (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
      const session = await stage.h2('api.test');
      const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(session, { ':path': `/${i}` })));
      answers.forEach(({ body }, i) => assert.equal(body, `/${i}`));
      await stage.recorded(41);
      session.destroy();
    }
  });

  test('an upstream of HTTP/1.1 that switches protocols under a client of HTTP/2 is a 502', async () => {
    await using origin = await Origin.fickle('h2', (socket) => socket.on('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')));
    await using stage = await Stage.open({ 'api.test': origin });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    const session = await stage.h2('api.test');
    assert.equal((await ask(session, { ':path': '/' })).status, 502);
    assert.equal((await stage.recorded(2))[1]?.error?.code, 'upstream_protocol_error');
    session.destroy();
  });

  test('what HTTP/2 has no form for is a 502, and the capture goes on', async () => {
    for (const response of ['HTTP/1.1 200 OK\r\n:status: 200\r\n\r\n', 'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 150 Odd\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello']) {
      await using origin = await Origin.fickle('h2', (socket) => socket.on('data', () => socket.write(response)));
      await using stage = await Stage.open({ 'api.test': origin });
      (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
      const session = await stage.h2('api.test');
      const { status } = await ask(session, { ':path': '/' });
      assert.ok(status === 502 || status === 200, String(status));
      await stage.recorded(2);
      session.destroy();
    }
  });

  test('a client of HTTP/1.1 reaches an upstream of HTTP/2', async () => {
    let got: string[] = [];
    let body = '';
    await using origin = await Origin.fickle('http/1.1', (socket) => {
      performServerHandshake(socket).on('stream', (stream, _headers, _flags, raw) => {
        got = raw as unknown as string[];
        const answering = stream as ServerHttp2Stream;
        answering.additionalHeaders({ ':status': 103, link: '</a>' });
        stream.on('data', (chunk) => (body += chunk)).on('end', () => {
          answering.respond({ ':status': 200, 'x-a': '1' }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': '1' }));
          stream.end('ok');
        });
      });
    });
    await using stage = await Stage.open({ 'api.test': origin });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2', 'http/1.1'] });
    client.write('POST /x HTTP/1.1\r\nHost: API.test\r\nCookie: a=1; b=2\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nTE: trailers, deflate\r\nX-Mixed: Case\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
    assert.match(await client.take('\r\n\r\n'), /^HTTP\/1.1 103 \r\nlink: <\/a>\r\n/);
    const head = await client.take('\r\n\r\n');
    assert.match(head, /^HTTP\/1.1 200 \r\n[^]*x-a: 1\r\n[^]*transfer-encoding: chunked\r\n/);
    assert.equal(await client.take('x-end: 1\r\n\r\n'), '2\r\nok\r\n0\r\nx-end: 1\r\n\r\n');
    assert.deepEqual(got, [':method', 'POST', ':scheme', 'https', ':authority', 'API.test', ':path', '/x', 'cookie', 'a=1; b=2', 'te', 'trailers', 'x-mixed', 'Case']);
    assert.equal(body, 'hello');
    const record = (await stage.recorded(2))[1]!;
    assert.deepEqual([record.request?.http_version, record.response?.http_version, record.upstream?.http_version], ['1.1', '2', '2']);
    assert.equal(record.response?.headers.some(([name]) => name === 'transfer-encoding'), false, 'the record shows what the upstream sent');
  });

  test('a client of HTTP/1.0 reaches an upstream of HTTP/2', async () => {
    await using origin = await Origin.fickle('http/1.1', (socket) => {
      performServerHandshake(socket).on('stream', (stream) => {
        (stream as ServerHttp2Stream).respond({ ':status': 200 });
        stream.end('ok');
      });
    });
    await using stage = await Stage.open({ 'api.test': origin });
    (await stage.tls('api.test', { ALPNProtocols: ['h2', 'http/1.1'] })).destroy();
    const client = await stage.tlsWire('api.test', { ALPNProtocols: ['h2', 'http/1.1'] });
    client.write('GET /x HTTP/1.0\r\n\r\n');
    assert.match(await client.takeAll(), /^HTTP\/1.1 200 \r\n[^]*\r\n\r\nok$/);
  });
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
