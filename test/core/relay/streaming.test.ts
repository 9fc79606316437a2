/** Bodies on their way: as they come, with bounded memory, whoever is slow. */
import assert from 'node:assert/strict';
import { createHash, randomBytes, type Hash } from 'node:crypto';
import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FlowRecord } from '../../../core/index.ts';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { soon } from '../../stage/wire.ts';

const MiB = 1024 * 1024;

/** Sends so many bytes as fast as they are taken, and gives their hash. */
async function pour(sink: NodeJS.WritableStream, size: number): Promise<string> {
  const hash = createHash('sha256');
  const chunk = randomBytes(MiB);
  for (let sent = 0; sent < size; sent += chunk.length) {
    hash.update(chunk);
    if (!sink.write(chunk)) await once(sink, 'drain');
  }
  return hash.digest('hex');
}

/** How far the memory of bodies grows while something goes on. */
async function growth(act: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)), 5);
  await act();
  clearInterval(watch);
  return most;
}

describe('a body of 64 MiB', () => {
  for (const version of ['HTTP/1.1', 'HTTP/2'] as const) {
    test(`passes down unchanged over ${version}`, async () => {
      let sent = '';
      await using origin = await Origin.https(async (_request, response) => {
        sent = await pour(response as unknown as NodeJS.WritableStream, 64 * MiB);
        response.end();
      });
      await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 1000 } });
      const got = createHash('sha256');
      if (version === 'HTTP/2') {
        const session = await stage.h2('api.test');
        const stream = session.request({ ':path': '/', ':authority': 'api.test' });
        stream.on('data', (chunk) => got.update(chunk));
        await soon('the end', once(stream, 'end'), 20_000);
        session.destroy();
      } else {
        const tls = await stage.tls('api.test');
        tls.write('GET / HTTP/1.0\r\nHost: api.test\r\n\r\n');
        const body = bodyHash(tls, got);
        await soon('the end', once(tls, 'end'), 20_000);
        body();
      }
      const record = await stage.record();
      assert.equal(got.digest('hex'), sent);
      assert.equal(record.response?.body_sha256, sent);
      assert.equal(record.response?.body_size, 64 * MiB);
      assert.equal(record.response?.body_file, `bodies/${sent}`);
      assert.equal(record.response?.body_truncated, true);
    });

    test(`passes up unchanged over ${version}`, async () => {
      const got = createHash('sha256');
      await using origin = await Origin.https((request, response) => {
        request.on('data', (chunk) => got.update(chunk)).on('end', () => response.end('ok'));
      });
      await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 1000 } });
      let sent: string;
      if (version === 'HTTP/2') {
        const session = await stage.h2('api.test');
        const stream = session.request({ ':path': '/', ':authority': 'api.test', ':method': 'POST' });
        sent = await pour(stream, 64 * MiB);
        stream.end();
        await soon('the answer', once(stream.resume(), 'end'), 20_000);
        session.destroy();
      } else {
        const tls = await stage.tls('api.test');
        tls.write(`POST / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nContent-Length: ${64 * MiB}\r\n\r\n`);
        sent = await pour(tls, 64 * MiB);
        await soon('the answer', once(tls.resume(), 'end'), 20_000);
      }
      assert.equal(got.digest('hex'), sent);
      assert.equal((await stage.record()).request?.body_sha256, sent);
    });
  }
});

/** Hashes what follows the head. */
function bodyHash(socket: NodeJS.ReadableStream, hash: Hash): () => void {
  let head: Buffer | null = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    if (head === null) return void hash.update(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1) return;
    hash.update(head.subarray(end + 4));
    head = null;
  });
  return () => assert.equal(head, null);
}

describe('who is slow holds the other back', () => {
  test('a client that does not read, over HTTP/1.1', async () => {
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 1000 } });
    const client = await stage.wire('api.test');
    client.write('GET / HTTP/1.0\r\n\r\n');
    const upstream = await arrivals.next();
    await upstream.take('\r\n\r\n');
    client.socket.pause();
    upstream.write('HTTP/1.1 200 OK\r\n\r\n');
    const most = await growth(async () => assert.ok((await stalled(upstream.socket)) < 48 * MiB));
    assert.ok(most < 64 * MiB, `${most} bytes`);
  });

  test('an origin that does not read, over HTTP/1.1', async () => {
    await using origin = await Origin.raw((socket) => void socket.pause());
    await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 1000 } });
    const client = await stage.wire('api.test');
    client.write('POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 10000000000\r\n\r\n');
    const most = await growth(async () => assert.ok((await stalled(client.socket)) < 48 * MiB));
    assert.ok(most < 64 * MiB, `${most} bytes`);
  });

  test('a client that does not read, over HTTP/2, and its other streams go on', async () => {
    let poured = 0;
    await using origin = await Origin.h2((stream, headers) => {
      stream.respond({ ':status': 200 });
      if (headers[':path'] === '/small') return void stream.end('small');
      const chunk = Buffer.alloc(MiB);
      const more = (): void => {
        while (poured < 256 * MiB && !stream.destroyed) {
          poured += chunk.length;
          if (!stream.write(chunk)) return;
        }
      };
      stream.on('drain', more);
      more();
    });
    await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 1000 } });
    const session = await stage.h2('api.test');
    const most = await growth(async () => {
      const big = session.request({ ':path': '/big', ':authority': 'api.test' });
      big.on('error', () => {});
      await soon('the answer', once(big, 'response'));
      await sleep(300);
      assert.ok(poured < 32 * MiB, `${poured} bytes`);
      assert.equal(await small(session), 'small');
    });
    assert.ok(most < 64 * MiB, `${most} bytes`);
    session.destroy();
  });

  test('an origin that does not read, over HTTP/2, and the other streams go on', async () => {
    await using origin = await Origin.h2((stream, headers) => {
      if (headers[':path'] !== '/small') return;
      stream.respond({ ':status': 200 });
      stream.end('small');
    });
    await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 1000 } });
    const session = await stage.h2('api.test');
    const stream = session.request({ ':path': '/big', ':authority': 'api.test', ':method': 'POST' });
    stream.on('error', () => {});
    const most = await growth(async () => assert.ok((await stalled(stream)) < 48 * MiB));
    assert.ok(most < 64 * MiB, `${most} bytes`);
    assert.equal(await small(session), 'small');
    session.destroy();
  });
});

async function small(session: ClientHttp2Session): Promise<string> {
  const stream = session.request({ ':path': '/small', ':authority': 'api.test' });
  let text = '';
  stream.on('data', (chunk) => (text += chunk));
  await soon('the small answer', once(stream, 'end'));
  return text;
}

/** Writes, waiting for each drain, until none comes for a while; gives what was taken. */
async function stalled(sink: NodeJS.WritableStream): Promise<number> {
  const chunk = Buffer.alloc(MiB);
  let sent = 0;
  while (sent < 256 * MiB) {
    sent += chunk.length;
    if (sink.write(chunk)) continue;
    const drained = await Promise.race([once(sink, 'drain').then(() => true), sleep(500, false)]);
    if (!drained) return sent;
  }
  return sent;
}

test('a disk that is slower than the network holds it back, and no byte is lost', async () => {
  const sha = createHash('sha256').update(Buffer.alloc(8 * MiB, 'x')).digest('hex');
  await using origin = await Origin.http((_request, response) => response.end(Buffer.alloc(8 * MiB, 'x')));
  await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 10 } });
  const clients = await Promise.all(Array.from({ length: 4 }, () => stage.wire('api.test')));
  for (const client of clients) client.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
  for (const client of clients) assert.equal((await client.takeAll()).length - 8 * MiB < 500, true);
  for (const { response } of await stage.recorded(4)) assert.equal(response?.body_sha256, sha);
});

describe('1xx answers without end are ended, for a client that reads none', () => {
  const assertEnded = ({ outcome, error, response }: FlowRecord): void => {
    assert.deepEqual([outcome, error?.code, response?.informational.length], ['failed', 'upstream_protocol_error', 100]);
    assert.match(error!.message, /1xx/);
  };

  test('of HTTP/1.1', async () => {
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.tunnel('api.test');
    client.pause().on('error', () => {}).write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n');
    const upstream = await arrivals.next();
    await upstream.take('\r\n\r\n');
    upstream.socket.on('error', () => {});
    const answers = Buffer.from(`HTTP/1.1 103 Early Hints\r\nLink: </${'a'.repeat(8000)}>\r\n\r\n`.repeat(64));
    for (let count = 0; count < 100 && !upstream.socket.destroyed; count++) if (!upstream.socket.write(answers)) await new Promise((resolve) => upstream.socket.once('drain', resolve).once('close', resolve));
    assertEnded(await stage.record());
  });

  test('of HTTP/2', async () => {
    await using origin = await Origin.h2((stream) => {
      stream.on('error', () => {});
      for (let count = 0; count < 200; count++) stream.additionalHeaders({ ':status': 103, link: `</${'a'.repeat(8000)}>` });
    });
    await using stage = await Stage.open({ 'api.test': origin });
    const session = await stage.h2('api.test');
    session.request({ ':path': '/', ':authority': 'api.test' }).on('error', () => {});
    assertEnded(await stage.record());
    session.destroy();
  });
});
