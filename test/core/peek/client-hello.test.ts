import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { calculateJa4FromHelloData, parseTlsHello } from './foreign-reader.ts';
import { ja4 } from '../../../core/peek/ja4.ts';
import { readClientHello } from '../../../core/peek/client-hello.ts';
import type { ClientHello } from '../../../core/index.ts';
import { Seed } from '../../stage/seed.ts';
import { until } from '../../stage/wire.ts';
import { alpn, fuzzHellos, groups, helloBytes, serverName, signatures, versions, type HelloShape } from './hello-bytes.ts';

function read(shape: HelloShape): ClientHello {
  const reading = readClientHello(helloBytes(shape));
  if (typeof reading === 'string') assert.fail(reading);
  return reading;
}

/** The example of FoxIO's specification: a browser's hello, its lists as the raw form of the fingerprint shows them. */
const EXAMPLE: HelloShape = {
  ciphers: [0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035],
  extensions: [
    [0x3a3a, Buffer.alloc(0)],
    serverName('example.com'),
    [0x0017, Buffer.alloc(0)],
    [0xff01, Buffer.from([0])],
    groups(0x4a4a, 29, 23, 24),
    [0x000b, Buffer.from([1, 0])],
    [0x0023, Buffer.alloc(0)],
    alpn('h2', 'http/1.1'),
    [0x0005, Buffer.from([1, 0, 0, 0, 0])],
    signatures(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601),
    [0x0012, Buffer.alloc(0)],
    [0x0033, Buffer.alloc(40)],
    [0x002d, Buffer.from([1, 1])],
    versions(0x5a5a, 0x0304, 0x0303),
    [0x001b, Buffer.from([2, 0, 2])],
    [0x4469, Buffer.from([0, 3, 2, 104, 50])],
    [0x6a6a, Buffer.from([0])],
    [0x0015, Buffer.alloc(100)],
  ],
};

describe('a ClientHello', () => {
  test('is read, GREASE left out', () => {
    const { ja4: _fingerprint, ...hello } = read(EXAMPLE);
    assert.deepEqual(hello, {
      sni: 'example.com',
      alpn: ['h2', 'http/1.1'],
      versions: [0x0304, 0x0303],
      ciphers: EXAMPLE.ciphers!.slice(1),
      groups: [29, 23, 24],
      signatureAlgorithms: [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
      ech: false,
    });
  });

  test('is read without extensions, as old clients send it', () => {
    const hello = read({ version: 0x0301, ciphers: [0x002f], extensions: null });
    assert.deepEqual([hello.sni, hello.alpn, hello.versions, hello.ech], [null, [], [0x0301], false]);
  });

  test('names its server canonically', () => {
    assert.equal(read({ extensions: [serverName('API.Example.COM.')] }).sni, 'api.example.com');
    assert.equal(read({ extensions: [serverName('b\xfccher.example')] }).sni !== null, true);
    assert.equal(read({ extensions: [serverName('not a host')] }).sni, 'not a host', 'a rule must be able to refuse it');
    assert.equal(read({ extensions: [serverName('x', 1)] }).sni, null);
    assert.equal(read({ extensions: [[0, Buffer.alloc(0)]] }).sni, null);
  });

  test('shows an encrypted hello', () => {
    assert.equal(read({ extensions: [[0xfe0d, Buffer.alloc(10)]] }).ech, true);
  });

  test('is read the same wherever its bytes and its records are parted', () => {
    const whole = read(EXAMPLE);
    for (const recordSize of [3, 4, 5, 50, 300]) {
      const bytes = helloBytes({ ...EXAMPLE, recordSize });
      for (let at = 0; at < bytes.length; at++) assert.equal(readClientHello(bytes.subarray(0, at)), 'need-more', `${at} of records of ${recordSize}`);
      assert.deepEqual(readClientHello(bytes), whole);
      assert.deepEqual(readClientHello(Buffer.concat([bytes, Buffer.from('more')])), whole);
    }
  });

  for (const [what, bytes] of [
    ['a record that is no handshake', Buffer.from([23, 3, 1, 0, 5, 1, 0, 0, 1, 0])],
    ['a record of another protocol', Buffer.from([22, 2, 1, 0, 5, 1, 0, 0, 1, 0])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['another handshake message', Buffer.from([22, 3, 1, 0, 5, 2, 0, 0, 1, 0])],
    ['a message of 1 MiB', Buffer.from([22, 3, 1, 0, 5, 1, 16, 0, 0, 0])],
    ['ciphers longer than the message', Buffer.concat([Buffer.from([22, 3, 1, 0, 41, 1, 0, 0, 37]), Buffer.alloc(34), Buffer.from([0, 255, 255])])],
  ] as const) {
    test(`is none for ${what}`, () => {
      assert.equal(readClientHello(bytes), 'invalid');
    });
  }

  test('with an extension longer than the rest is none', () => {
    const bytes = helloBytes({ extensions: [[5, Buffer.alloc(2)]] });
    bytes.writeUInt16BE(500, bytes.length - 4);
    assert.equal(readClientHello(bytes), 'invalid');
  });

  test('mutated at random is read or refused, never more', () => {
    fuzzHellos(10_000, new Seed(3));
  });

  test('of 64 KiB takes no time to speak of, however it comes', () => {
    const start = performance.now();
    assert.equal(readClientHello(helloBytes({ extensions: [[21, Buffer.alloc(60_000)]], recordSize: 1 })), 'invalid');
    const bytes = helloBytes({ extensions: [[21, Buffer.alloc(60_000)]], recordSize: 256 });
    for (let at = 0; at < bytes.length; at++) assert.equal(readClientHello(bytes.subarray(0, at)), 'need-more');
    assert.equal(typeof readClientHello(bytes), 'object');
    assert.ok(performance.now() - start < 2000, `${performance.now() - start} ms`);
  });
});

describe('its fingerprint', () => {
  test("is that of the specification's example", () => {
    assert.equal(read(EXAMPLE).ja4, 't13d1516h2_8daaf6152771_e5627efa2ab1');
  });

  test('does not depend on the order of ciphers and extensions', () => {
    const turned = { ciphers: EXAMPLE.ciphers!.toReversed(), extensions: EXAMPLE.extensions!.toReversed() };
    assert.equal(read(turned).ja4, read(EXAMPLE).ja4);
  });

  test('abbreviates ALPN as the specification has it', () => {
    const part = (...names: (string | Buffer)[]): string => read({ extensions: names.length > 0 ? [alpn(...names)] : [] }).ja4.slice(8, 10);
    assert.deepEqual([part(), part('h2'), part('http/1.1'), part('a')], ['00', 'h2', 'h1', 'aa']);
    const hex = (text: string): string => part(Buffer.from(text, 'hex'));
    assert.deepEqual([hex('ab'), hex('abcd'), hex('30ab'), hex('3031abcd'), hex('30abcd31')], ['ab', 'ad', '3b', '3d', '01']);
  });

  test('has codes for versions, and zeros for what is absent', () => {
    const input = { transport: 't', versions: [0x0303], hasServerName: false, ciphers: [], extensions: [], alpn: [], signatureAlgorithms: [] } as const;
    assert.equal(ja4(input), 't12i000000_000000000000_000000000000');
    assert.equal(ja4({ ...input, transport: 'q', versions: [0x0304] }).slice(0, 3), 'q13');
    assert.deepEqual([0x0302, 0x0301, 0x0300, 0x0002, 0x7f1c].map((version) => ja4({ ...input, versions: [version] }).slice(1, 3)), ['11', '10', 's3', 's2', '00']);
    assert.equal(ja4({ ...input, ciphers: Array.from({ length: 120 }, (_, i) => i) }).slice(4, 6), '99');
  });

  test('of real clients is the one that another reader finds', async () => {
    for (const hello of await realHellos()) {
      const ours = readClientHello(hello);
      if (typeof ours === 'string') assert.fail(ours);
      const theirs = await parseTlsHello(hello);
      assert.equal(ours.ja4, calculateJa4FromHelloData(theirs));
    }
  });
});

/** The first bytes of curl, openssl, Python and Node as they meet a server of TLS. */
async function realHellos(): Promise<Buffer[]> {
  const hellos: Buffer[] = [];
  const server = createServer((socket) => {
    let bytes = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (readClientHello(bytes) === 'need-more') return;
      hellos.push(bytes);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const run = (file: string, ...args: string[]) => execFile(file, args, { timeout: 5000 }, () => {}).stdin?.end();
  run('curl', '-s', '--resolve', `api.test:${port}:127.0.0.1`, `https://api.test:${port}/`);
  run('curl', '-s', '--tls-max', '1.2', '--http1.1', `https://127.0.0.1:${port}/`);
  run('openssl', 's_client', '-connect', `127.0.0.1:${port}`, '-servername', 'api.test');
  run('/usr/bin/python3', '-c', `import ssl, socket; ssl.create_default_context().wrap_socket(socket.create_connection(('127.0.0.1', ${port})), server_hostname='api.test')`);
  connectTls({ port, servername: 'api.test', ALPNProtocols: ['h2', 'http/1.1'] }).on('error', () => {});
  await until('the hellos of five clients', () => hellos.length === 5);
  server.close();
  return hellos;
}
