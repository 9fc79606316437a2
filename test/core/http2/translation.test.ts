/** Clients and upstreams that speak different versions. */
import assert from 'node:assert/strict';
import { performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { ask } from './ask.ts';

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
          setTimeout(() => socket.write(`HTTP/1.1 200 OK\r\nConnection: ${connection}\r\nContent-Length: ${path.length}\r\n\r\n${path}`), 100);
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
