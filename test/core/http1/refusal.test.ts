/** Requests that two readers could read in two ways: refused with 400, recorded once, and not a byte of them forwarded. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';

const HOST = 'Host: api.test\r\n';

async function refused(request: string): Promise<void> {
  const arrivals = new Arrivals();
  await using origin = await Origin.raw(arrivals.add);
  await using stage = await Stage.open({ 'api.test': origin, 'other.test': origin });
  const client = await stage.wire('api.test');
  // What follows would be the smuggled request.
  client.write(request + 'GET /smuggled HTTP/1.1\r\n' + HOST + '\r\n');
  const { head, body } = await client.takeResponse();
  assert.match(head, /^HTTP\/1.1 400 Bad Request\r\n/);
  assert.match(head, /^x-mentu-error: bad_request\r$/m);
  assert.match(JSON.parse(body).message, /malformed/);
  assert.equal(await client.takeAll(), '', 'the connection must end');
  const record = await stage.record();
  assert.equal(record.outcome, 'failed');
  assert.equal(record.error?.code, 'bad_request');
  assert.equal(arrivals.count, 0);
}

describe('a request is refused for', () => {
  for (const [what, request] of [
    ['Content-Length beside Transfer-Encoding', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`],
    ['one length twice', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd`],
    ['a list of lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 4, 4\r\n\r\nabcd`],
    ['a signed length', `POST / HTTP/1.1\r\n${HOST}Content-Length: +4\r\n\r\nabcd`],
    ['an obscured transfer coding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ['two transfer codings', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`],
    ['a transfer coding in HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a space before the colon', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n`],
    ['a folded line', `GET / HTTP/1.1\r\n${HOST}X: 1\r\n 2\r\n\r\n`],
    ['a bare line feed', `GET / HTTP/1.1\r\n${HOST}X: 1\nTransfer-Encoding: chunked\r\n\r\n`],
    ['a bare carriage return', `GET / HTTP/1.1\r\n${HOST}X: 1\rY: 2\r\n\r\n`],
    ['a NUL', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`],
    ['a space in the target', `GET /a b HTTP/1.1\r\n${HOST}\r\n`],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two Hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
    ['two Hosts that differ', `GET / HTTP/1.1\r\n${HOST}Host: other.test\r\n\r\n`],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: api.test/x\r\n\r\n'],
    ['a Host with a user', 'GET / HTTP/1.1\r\nHost: api.test@other.test\r\n\r\n'],
    ['a Host with two names', 'GET / HTTP/1.1\r\nHost: api.test, other.test\r\n\r\n'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
    ['a Host unlike the target', `GET http://other.test/ HTTP/1.1\r\n${HOST}\r\n`],
    ['a target that is none', `GET api.test HTTP/1.1\r\n${HOST}\r\n`],
    ['CONNECT without a port', `CONNECT api.test HTTP/1.1\r\n${HOST}\r\n`],
    ['HTTP/3.0', `GET / HTTP/3.0\r\n${HOST}\r\n`],
    ['a head of more than 128 KiB', `GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(140_000)}\r\n\r\n`],
    ['more than 500 fields', `GET / HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(501)}\r\n`],
  ] as const) {
    test(what, () => refused(request));
  }
});

describe('a request that goes wrong in its body', () => {
  for (const [what, body] of [
    ['a chunk size that is none', '4\r\nabcd\r\nzz\r\n'],
    ['a chunk longer than its size', '4\r\nabcdef\r\n'],
    ['a bare line feed', '4\r\nabcd\n0\r\n\r\n'],
    ['a chunk line without end', '4\r\nabcd\r\n1' + '0'.repeat(5000)],
    ['trailers that are none', '4\r\nabcd\r\n0\r\nX : y\r\n\r\n'],
  ] as const) {
    test(`gets 400 for ${what}, and no end upstream`, async () => {
      const arrivals = new Arrivals();
      await using origin = await Origin.raw(arrivals.add);
      await using stage = await Stage.open({ 'api.test': origin });
      const client = await stage.wire('api.test');
      client.write(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}GET /smuggled HTTP/1.1\r\n${HOST}\r\n`);
      assert.match((await client.takeResponse()).head, /^HTTP\/1.1 400 /);
      assert.equal(await client.takeAll(), '');
      const record = await stage.record();
      assert.equal(record.error?.code, 'bad_request');
      assert.equal(record.request?.method, 'POST');
      if (arrivals.count > 0) {
        const upstream = await arrivals.next();
        await until('the end upstream', () => upstream.ended);
        assert.doesNotMatch(upstream.text, /\r\n0\r\n|smuggled/);
      }
    });
  }
});

describe('a head that dribbles in', () => {
  test('byte by byte is read like any other', async () => {
    await using origin = await Origin.http((request, response) => response.end(request.headers['x-long']));
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.wire('api.test');
    const request = Buffer.from(`\r\n\r\nGET / HTTP/1.1\r\n${HOST}X-Long: ${'x'.repeat(2000)}\r\n\r\n`);
    for (const byte of request) client.socket.write(Buffer.from([byte]));
    assert.equal((await client.takeResponse()).body, 'x'.repeat(2000));
  });

  test('in many pieces takes no time to speak of', async () => {
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.wire('api.test');
    const start = performance.now();
    client.write(`GET / HTTP/1.1\r\n${HOST}X: `);
    for (let sent = 0; sent < 120_000; sent += 20) {
      client.socket.write(Buffer.alloc(20, 'x'));
      if (sent % 2000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    client.write('\r\n\r\n');
    const upstream = await arrivals.next();
    await upstream.take('\r\n\r\n');
    assert.ok(performance.now() - start < 3000);
  });
});
