/** What reaches origin and client over HTTP/1, byte for byte. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import type { Wire } from '../../stage/wire.ts';

/** A client and an origin with the capture between them; both are the test's to write. */
async function between(act: (client: Wire, arrivals: Arrivals, stage: Stage) => Promise<void>): Promise<void> {
  const arrivals = new Arrivals();
  await using origin = await Origin.raw(arrivals.add);
  await using stage = await Stage.open({ 'api.test': origin });
  await act(await stage.wire('api.test'), arrivals, stage);
}

/** Sends a request and a response and holds what arrives against what was sent. */
async function passes(request: string, response: string, seen = { request, response }): Promise<void> {
  await between(async (client, arrivals, stage) => {
    client.write(request);
    const upstream = await arrivals.next();
    assert.equal(await upstream.takeBytes(seen.request.length), seen.request);
    upstream.write(response);
    assert.equal(await client.takeBytes(seen.response.length), seen.response);
    assert.equal((await stage.record()).outcome, 'completed');
    assert.equal(client.text + upstream.text, '', 'more came than was sent');
  });
}

const GET = 'GET /x HTTP/1.1\r\nHost: api.test\r\n\r\n';

describe('HTTP/1 keeps its bytes', () => {
  test('in heads: order, case, duplicates, cookies, bytes beyond ASCII', async () => {
    await between(async (client, arrivals, stage) => {
      const request = 'GET /a%20b?q=1&Q=%zz#f HTTP/1.1\r\nhOsT: api.test\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=1; b=2\r\ncookie: c=3\r\nTE: trailers\r\nConnection: TE\r\nAccept: */*\r\n\r\n';
      client.write(request);
      const upstream = await arrivals.next();
      assert.equal(await upstream.take('\r\n\r\n'), request);
      const response = 'HTTP/1.1 299 As It Pleases\r\nServer: raw\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-Latin: \xe9\r\nX-Utf8: \xc3\xa9\r\nContent-Length: 3\r\n\r\nabc';
      upstream.write(response);
      assert.equal(await client.takeBytes(response.length), response);
      const record = await stage.record();
      assert.equal(record.request?.url, 'http://api.test/a%20b?q=1&Q=%zz#f');
      assert.deepEqual(record.request?.headers.map(([name]) => name), ['hOsT', 'X-A', 'x-a', 'Cookie', 'cookie', 'TE', 'Connection', 'Accept']);
      assert.deepEqual(record.response?.headers.filter(([name]) => /^(set-cookie|x-)/i.test(name)), [['set-cookie', 'a=1'], ['Set-Cookie', 'b=2'], ['X-Latin', 'é'], ['X-Utf8', 'é']]);
      assert.equal(record.response?.body, 'abc');
      assert.equal(record.response?.status_text, 'As It Pleases');
    });
  });

  test('in a body with a length, both ways', () => passes('POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhello', 'HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nbye!'));

  test('in chunked bodies with trailers, both ways', () =>
    passes(
      'POST /x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\nTrailer: Y\r\n\r\n3\r\nbye\r\n0\r\nY: \xe9\r\n\r\n',
    ));

  test('in an empty chunked body', () =>
    passes('POST /x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'));

  test('in responses without a body', async () => {
    await passes(GET.replace('GET', 'HEAD'), 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
    await passes(GET.replace('GET', 'HEAD'), 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    await passes(GET, 'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n');
    await passes(GET, 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: "x"\r\n\r\n');
    await passes(GET, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  });

  test('in HTTP/1.0, whose client gets a length-less body up to the close', async () => {
    await between(async (client, arrivals, stage) => {
      client.write('GET /x HTTP/1.0\r\n\r\n');
      const upstream = await arrivals.next();
      assert.equal(await upstream.take('\r\n\r\n'), 'GET /x HTTP/1.0\r\n\r\n');
      upstream.write('HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall that');
      await client.take('all that');
      upstream.write(' there is');
      upstream.socket.end();
      assert.equal(await client.takeAll(), ' there is');
      assert.equal(client.error, null);
      const record = await stage.record();
      assert.equal(record.response?.body, 'all that there is');
      assert.equal(record.request?.url, 'http://api.test/x');
      assert.equal(record.request?.http_version, '1.0');
      assert.equal(record.response?.http_version, '1.0');
    });
  });

  test('in HTTP/1.0 with keep-alive', () => passes('GET /x HTTP/1.0\r\nHost: api.test\r\nConnection: keep-alive\r\n\r\n', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok'));

  test('in a length-less body of HTTP/1.1', async () => {
    await between(async (client, arrivals) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\n\r\nuntil the end');
      upstream.socket.end();
      assert.equal(await client.takeAll(), 'HTTP/1.1 200 OK\r\n\r\nuntil the end');
    });
  });

  test('in methods and targets of all kinds', async () => {
    await passes('OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n', 'HTTP/1.1 204 No Content\r\n\r\n');
    await passes('M-SEARCH /%00?\xe9 HTTP/1.1\r\nHost: api.test\r\n\r\n', 'HTTP/1.1 204 No Content\r\n\r\n');
    await passes('DELETE /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\n{}', 'HTTP/1.1 204 No Content\r\n\r\n');
  });

  test('in 1xx answers before the final one', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink: </b.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n';
    await between(async (client, arrivals, stage) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(early);
      assert.equal(await client.takeBytes(early.length), early);
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      assert.match(await client.take('ok'), /^HTTP\/1.1 200 OK/);
      const { response } = await stage.record();
      assert.deepEqual(response?.informational, [{ status: 103, headers: [['Link', '</a.css>; rel=preload'], ['link', '</b.css>']] }, { status: 102, headers: [] }]);
    });
  });
});

describe('Expect: 100-continue', () => {
  const head = 'PUT /x HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';

  test('waits for the origin to ask for the body', async () => {
    await between(async (client, arrivals, stage) => {
      client.write(head);
      const upstream = await arrivals.next();
      assert.equal(await upstream.take('\r\n\r\n'), head);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(client.text, '', 'we must not answer for the origin');
      upstream.write('HTTP/1.1 100 Continue\r\n\r\n');
      assert.equal(await client.take('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
      client.write('hello');
      assert.equal(await upstream.takeBytes(5), 'hello');
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      await client.take('\r\n\r\n');
      assert.equal((await stage.record()).request?.body, 'hello');
    });
  });

  test('brings a final answer instead', async () => {
    await between(async (client, arrivals, stage) => {
      client.write(head);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno');
      assert.match(await client.take('no'), /^HTTP\/1.1 417 /);
      const record = await stage.record();
      assert.equal(record.outcome, 'completed');
      assert.equal(record.response?.status, 417);
    });
  });
});

describe('one connection', () => {
  test('carries request after request, upstream too', async () => {
    await between(async (client, arrivals, stage) => {
      let upstream: Wire | null = null;
      for (const n of [1, 2, 3]) {
        client.write(`GET /${n} HTTP/1.1\r\nHost: api.test\r\n\r\n`);
        upstream ??= await arrivals.next();
        assert.match(await upstream.take('\r\n\r\n'), new RegExp(`^GET /${n} `));
        upstream.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${n}`);
        assert.equal((await client.takeResponse()).body, String(n));
      }
      const records = await stage.recorded(3);
      assert.equal(arrivals.count, 1);
      assert.deepEqual(records.map(({ upstream }) => upstream?.reused), [false, true, true]);
      assert.equal(new Set(records.map(({ connection_id }) => connection_id)).size, 1);
      assert.equal(records[1]?.timing.connect, null);
      assert.notEqual(records[0]?.timing.connect, null);
    });
  });

  test('answers pipelined requests in order, whatever the pieces they come in', async () => {
    const requests = 'POST /1 HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: api.test\r\n\r\nPOST /3 HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n\r\nxyz';
    const handler: Parameters<typeof Origin.http>[0] = (request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk)).on('end', () => response.end(`${request.url}:${body};`));
    };
    await using origin = await Origin.http(handler);
    await using stage = await Stage.open({ 'api.test': origin });
    for (const size of [1, 7, 50, requests.length]) {
      const client = await stage.wire('api.test');
      for (let at = 0; at < requests.length; at += size) client.write(requests.slice(at, at + size));
      for (const expected of ['/1:abc;', '/2:;', '/3:xyz;']) assert.equal((await client.takeResponse()).body, expected);
    }
    await stage.recorded(12);
  });

  test('ends after Connection: close, from either side', async () => {
    await between(async (client, arrivals) => {
      client.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
      const upstream = await arrivals.next();
      assert.match(await upstream.take('\r\n\r\n'), /\r\nConnection: close\r\n/);
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      assert.match(await client.takeAll(), /ok$/);
    });
    await between(async (client, arrivals) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
      assert.match(await client.takeAll(), /Connection: close[^]*ok$/);
    });
  });

  test('ends when an idle origin ends its own, and not while a request is under way', async () => {
    await between(async (client, arrivals) => {
      client.write(GET);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await client.take('ok');
      assert.equal(client.ended, false);
      upstream.socket.end();
      assert.equal(await client.takeAll(), '');
      assert.equal(client.error, null);
    });
  });

  test('of a client that has ended its half still gets the answer', async () => {
    await between(async (client, arrivals, stage) => {
      client.write('GET /x HTTP/1.0\r\n\r\n');
      client.socket.end();
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      assert.match(await client.takeAll(), /ok$/);
      assert.equal((await stage.record()).outcome, 'completed');
    });
  });
});
