/** The explicit proxy as its clients meet it: CONNECT, absolute-form requests and SOCKS5 on one port. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { curl, run } from '../../stage/program.ts';
import { until } from '../../stage/wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('CONNECT', () => {
  test('opens a tunnel, also for what comes with it', async () => {
    await using origin = await Origin.http((request, response) => response.end(request.url));
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.toProxy();
    client.write('CONNECT api.test:80 HTTP/1.1\r\nHost: api.test:80\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\nGET /early HTTP/1.1\r\nHost: api.test\r\n\r\n');
    assert.equal(await client.take('\r\n\r\n'), 'HTTP/1.1 200 Connection established\r\n\r\n');
    assert.equal((await client.takeResponse()).body, '/early');
    const record = await stage.record();
    assert.deepEqual(record.server, { name: 'api.test', address: null, port: 80 });
    assert.doesNotMatch(JSON.stringify(record), /c2VjcmV0/);
  });

  test('to an address, of either family, is one to that address', async () => {
    await using origin = await Origin.http((_request, response) => response.end('ok'));
    await using stage = await Stage.open({ '203.0.113.5': origin, '2606:4700::1111': origin });
    for (const [authority, address] of [['203.0.113.5:8080', '203.0.113.5'], ['[2606:4700::1111]:8080', '2606:4700::1111']] as const) {
      const client = await stage.toProxy();
      client.write(`CONNECT ${authority} HTTP/1.1\r\n\r\n`);
      await client.take('\r\n\r\n');
      client.write(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      assert.equal((await client.takeResponse()).body, 'ok');
      assert.deepEqual(stage.records.at(-1)?.server, { name: null, address, port: 8080 });
    }
  });

  for (const target of ['api.test', 'api.test:', 'api.test:0', 'api.test:99999', 'http://api.test:80', '[::1:80', 'a b:80', 'user@api.test:80', '/']) {
    test(`to ${target} is refused, and recorded`, async () => {
      await using stage = await Stage.open({});
      const client = await stage.toProxy();
      client.write(`CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const { head, body } = await client.takeResponse();
      assert.match(head, /^HTTP\/1.1 400 /);
      assert.equal(JSON.parse(body).error, 'bad_request');
      assert.equal(await client.takeAll(), '');
      const record = await stage.record();
      assert.deepEqual([record.kind, record.outcome, record.error?.code], ['http', 'failed', 'bad_request']);
    });
  }

  test('that never ends is refused', async () => {
    await using stage = await Stage.open({});
    const client = await stage.toProxy();
    client.write(`CONNECT ${'x'.repeat(140_000)}`);
    assert.match((await client.takeResponse()).head, /^HTTP\/1.1 400 /);
    await stage.record();
  });

  test('byte by byte works', async () => {
    await using origin = await Origin.http((_request, response) => response.end('ok'));
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.toProxy();
    for (const byte of 'CONNECT api.test:80 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: api.test\r\n\r\n') client.write(byte);
    await client.take('\r\n\r\n');
    assert.equal((await client.takeResponse()).body, 'ok');
  });
});

describe('a request in absolute form', () => {
  test('reaches its origin in origin form, without what was for the proxy', async () => {
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.toProxy();
    client.write('GET http://api.test/x?y HTTP/1.1\r\nHost: api.test\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic c2VjcmV0\r\nX-A: 1\r\n\r\n');
    const upstream = await arrivals.next();
    assert.equal(await upstream.take('\r\n\r\n'), 'GET /x?y HTTP/1.1\r\nHost: api.test\r\nX-A: 1\r\n\r\n');
    upstream.write(OK);
    assert.equal((await client.takeResponse()).body, 'ok');
    assert.equal((await stage.record()).request?.url, 'http://api.test/x?y');
  });

  test('may name another origin each time, and origins are kept', async () => {
    const arrivals = new Arrivals();
    await using one = await Origin.raw(arrivals.add);
    await using two = await Origin.raw(arrivals.add);
    await using stage = await Stage.open({ 'one.test': one, 'two.test': two });
    const client = await stage.toProxy();
    const upstreams = [];
    for (const [name, path] of [['one', '/'], ['two', '/'], ['one', '/again'], ['ONE', '/again']]) {
      client.write(`GET http://${name}.test${path} HTTP/1.1\r\nHost: ${name}.test\r\n\r\n`);
      if (path === '/') upstreams.push(await arrivals.next());
      const upstream = upstreams[name === 'two' ? 1 : 0]!;
      assert.match(await upstream.take('\r\n\r\n'), new RegExp(`^GET ${path} `));
      upstream.write(OK);
      await client.takeResponse();
    }
    const records = await stage.recorded(4);
    assert.deepEqual(records.map(({ upstream }) => upstream?.reused), [false, false, true, true]);
  });

  test('of https is fetched over TLS', async () => {
    await using origin = await Origin.https((request, response) => response.end(request.url), ['http/1.1']);
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.toProxy();
    client.write('GET https://api.test/secret HTTP/1.1\r\nHost: api.test\r\n\r\n');
    assert.match(await client.take('/secret'), /^HTTP\/1.1 200 /);
    const record = await stage.record();
    assert.equal(record.request?.url, 'https://api.test/secret');
    assert.ok(record.upstream?.tls);
  });

  for (const request of ['GET / HTTP/1.1\r\nHost: api.test', 'GET ftp://api.test/ HTTP/1.1\r\nHost: api.test', 'GET http://api.test/ HTTP/1.1\r\nHost: other.test', 'GET http://a@api.test/ HTTP/1.1\r\nHost: api.test', 'GET http:///x HTTP/1.1\r\nHost: api.test', 'OPTIONS * HTTP/1.1\r\nHost: api.test']) {
    test(`is not ${request.split(' HTTP')[0]} with its ${request.split('\r\n')[1]}`, async () => {
      await using stage = await Stage.open({});
      const client = await stage.toProxy();
      client.write(request + '\r\n\r\n');
      assert.match((await client.takeResponse()).head, /^HTTP\/1.1 400 /);
      assert.equal((await stage.record()).error?.code, 'bad_request');
    });
  }

  test('to the proxy itself is refused', async () => {
    await using stage = await Stage.open({ 'loop.test': '127.0.0.1' });
    stage.capture.dialler.ownEndpoints.add('127.0.0.1', stage.port);
    const client = await stage.toProxy();
    client.write(`GET http://loop.test:${stage.port}/ HTTP/1.1\r\nHost: loop.test:${stage.port}\r\n\r\n`);
    const { head, body } = await client.takeResponse();
    assert.match(head, /^HTTP\/1.1 403 /);
    assert.equal(JSON.parse(body).error, 'proxy_loop');
  });

  test('that is abandoned while a plugin decides about its connection is recorded', async () => {
    let decide: () => void = () => {};
    await using stage = await Stage.open({ 'api.test': '127.0.0.1:1' }, { tap: (hooks) => hooks.onConnect.tapPromise('test', () => new Promise<void>((resolve) => (decide = resolve))) });
    const client = await stage.toProxy();
    client.write('GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 30));
    (client.socket as import('node:net').Socket).resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 30));
    decide();
    assert.equal((await stage.record()).outcome, 'aborted');
  });

  test('under decision when the capture ends is recorded before it has', async () => {
    await using stage = await Stage.open({ 'api.test': '127.0.0.1:1' }, { tap: (hooks) => hooks.onConnect.tapPromise('test', () => new Promise<void>(() => {})) });
    const forward = await stage.toProxy();
    forward.write('GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n');
    const tunnel = await stage.wire('api.test');
    tunnel.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 30));
    await stage.capture.close();
    assert.deepEqual(stage.records.map(({ outcome, error }) => [outcome, error?.code]), [['aborted', 'shutting_down'], ['aborted', 'shutting_down']]);
    await until('the ends', () => forward.ended && tunnel.ended);
  });
});

describe('SOCKS5', () => {
  const greeting = Buffer.from([5, 1, 0]);
  const name = (host: string, port: number): Buffer => Buffer.concat([Buffer.from([5, 1, 0, 3, host.length]), Buffer.from(host), Buffer.from([port >> 8, port & 255])]);

  test('opens a tunnel by name, by IPv4 and by IPv6', async () => {
    await using origin = await Origin.http((_request, response) => response.end('ok'));
    await using stage = await Stage.open({ 'api.test': origin, '203.0.113.5': origin, '2606:4700::1111': origin });
    for (const [request, server] of [
      [name('API.test', 80), { name: 'api.test', address: null, port: 80 }],
      [Buffer.from([5, 1, 0, 1, 203, 0, 113, 5, 0, 80]), { name: null, address: '203.0.113.5', port: 80 }],
      [Buffer.from([5, 1, 0, 4, 0x26, 6, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x11, 0, 80]), { name: null, address: '2606:4700::1111', port: 80 }],
      [name('203.0.113.5', 80), { name: null, address: '203.0.113.5', port: 80 }],
    ] as const) {
      const client = await stage.toProxy();
      client.write(greeting);
      assert.equal(await client.takeBytes(2), '\x05\0');
      client.write(request);
      assert.equal(await client.takeBytes(10), '\x05\0\0\x01\0\0\0\0\0\0');
      client.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n');
      assert.equal((await client.takeResponse()).body, 'ok');
      assert.deepEqual(stage.records.at(-1)?.server, server);
    }
  });

  test('byte by byte, and all at once, works', async () => {
    await using origin = await Origin.http((_request, response) => response.end('ok'));
    await using stage = await Stage.open({ 'api.test': origin });
    const all = Buffer.concat([greeting, name('api.test', 80), Buffer.from('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')]);
    for (const size of [1, all.length]) {
      const client = await stage.toProxy();
      for (let at = 0; at < all.length; at += size) client.write(all.subarray(at, at + size));
      await client.takeBytes(12);
      assert.equal((await client.takeResponse()).body, 'ok');
    }
  });

  for (const [what, bytes, answer] of [
    ['a method that is not none', Buffer.from([5, 1, 2]), '05ff'],
    ['BIND', Buffer.concat([greeting, Buffer.from([5, 2, 0, 1, 1, 2, 3, 4, 0, 80])]), '050005070001000000000000'],
    ['UDP', Buffer.concat([greeting, Buffer.from([5, 3, 0, 1, 1, 2, 3, 4, 0, 80])]), '050005070001000000000000'],
    ['an unknown kind of address', Buffer.concat([greeting, Buffer.from([5, 1, 0, 9, 1, 2])]), '050005080001000000000000'],
    ['a name that is none', Buffer.concat([greeting, name('a b', 80)]), '050005010001000000000000'],
    ['port 0', Buffer.concat([greeting, name('api.test', 0)]), '050005010001000000000000'],
  ] as const) {
    test(`refuses ${what}`, async () => {
      await using stage = await Stage.open({});
      const client = await stage.toProxy();
      client.write(bytes);
      assert.equal(Buffer.from(await client.takeAll(), 'latin1').toString('hex'), answer);
    });
  }
});

test('curl reaches an origin in every way', async () => {
  await using origin = await Origin.https((request, response) => response.end(request.httpVersion));
  await using plain = await Origin.http((request, response) => response.end(request.httpVersion));
  await using stage = await Stage.open({ 'api.test': origin, 'plain.test': plain });
  assert.equal((await curl(stage, 'http://plain.test/')).stdout, '1.1');
  assert.equal((await curl(stage, '--proxytunnel', 'http://plain.test/')).stdout, '1.1');
  assert.equal((await curl(stage, 'https://api.test/')).stdout, '2.0');
  for (const flag of ['--socks5-hostname']) {
    const result = await run('curl', ['-sS', '--max-time', '10', flag, `127.0.0.1:${stage.port}`, '--cacert', stage.caFile, 'https://api.test/', 'http://plain.test/']);
    assert.equal(result.stdout, '2.01.1', result.stderr);
  }
  await stage.recorded(5);
});

test('a client that says nothing is let go with the capture', async () => {
  const stage = await Stage.open({});
  const silent = await stage.toProxy();
  const half = await stage.toProxy();
  half.write('CONN');
  const socks = await stage.toProxy();
  socks.write('\x05');
  await new Promise((resolve) => setTimeout(resolve, 20));
  await stage.capture.close();
  await until('the ends', () => silent.ended && half.ended && socks.ended);
  assert.equal(stage.records.length, 0);
  const late = await stage.toProxy();
  await until('the end', () => late.ended);
  await stage.close();
});

