/** Connections that change their protocol: passed on as they are, or refused cleanly. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { node } from '../../stage/program.ts';
import { until, type Wire } from '../../stage/wire.ts';

const ASK = 'GET /chat HTTP/1.1\r\nHost: api.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const AGREE = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

async function between(act: (client: Wire, arrivals: Arrivals, stage: Stage) => Promise<void>): Promise<void> {
  const arrivals = new Arrivals();
  await using origin = await Origin.raw(arrivals.add);
  await using stage = await Stage.open({ 'api.test': origin });
  await act(await stage.wire('api.test'), arrivals, stage);
}

describe('an upgrade', () => {
  test('keeps its bytes, before and after, both ways, and ends with either side', () =>
    between(async (client, arrivals, stage) => {
      client.write(ASK + 'too early');
      const upstream = await arrivals.next();
      assert.equal(await upstream.takeBytes(ASK.length), ASK);
      upstream.write(AGREE + 'first words');
      assert.equal(await client.takeBytes(AGREE.length + 11), AGREE + 'first words');
      assert.equal(await upstream.takeBytes(9), 'too early');
      client.write('\x81\x05hello');
      assert.equal(await upstream.takeBytes(7), '\x81\x05hello');
      upstream.write('GET / HTTP/1.1\r\n\r\n');
      assert.equal(await client.takeBytes(18), 'GET / HTTP/1.1\r\n\r\n');
      assert.equal(stage.records.length, 0);
      client.socket.end('bye');
      assert.equal(await upstream.takeAll(), 'bye');
      upstream.socket.end('bye too');
      assert.equal(await client.takeAll(), 'bye too');
      const record = await stage.record();
      assert.equal(record.outcome, 'completed');
      assert.equal(record.response?.status, 101);
      assert.deepEqual(record.bytes, { up: 9 + 7 + 3, down: 11 + 18 + 7 });
    }));

  test('whose origin ends its half first still hears the client', () =>
    between(async (client, arrivals, stage) => {
      client.write(ASK);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(AGREE);
      await client.take('\r\n\r\n');
      upstream.socket.end('bye');
      assert.equal(await client.takeAll(), 'bye');
      await sleep(50);
      client.socket.end('bye too');
      assert.equal(await upstream.takeAll(), 'bye too');
      assert.equal((await stage.record()).outcome, 'completed');
    }));

  test('that the origin declines is an exchange like any other', () =>
    between(async (client, arrivals, stage) => {
      client.write(ASK);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno');
      assert.match(await client.take('no'), /^HTTP\/1.1 426 /);
      client.write('GET /next HTTP/1.1\r\nHost: api.test\r\n\r\n');
      assert.match(await upstream.take('\r\n\r\n'), /^GET \/next /);
      upstream.write('HTTP/1.1 204 No Content\r\n\r\n');
      await client.take('\r\n\r\n');
      await stage.recorded(2);
    }));

  test('to HTTP/2 in the clear is not offered, and the request goes on', () =>
    between(async (client, arrivals, stage) => {
      client.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nX: y\r\n\r\n');
      const upstream = await arrivals.next();
      assert.equal(await upstream.take('\r\n\r\n'), 'GET / HTTP/1.1\r\nHost: api.test\r\nX: y\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await client.take('ok');
      const record = await stage.record();
      assert.equal(record.request?.headers.find(([name]) => name === 'Upgrade')?.[1], 'h2c', 'the record shows what was asked');
    }));

  test('to HTTP/2 in the clear is neither offered by a second field, nor taken unoffered', () =>
    between(async (client, arrivals, stage) => {
      client.write('GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: foo\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n');
      const upstream = await arrivals.next();
      assert.equal(await upstream.take('\r\n\r\n'), 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n');
      upstream.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
      assert.match(await client.take('\r\n\r\n'), /^HTTP\/1\.1 502 /);
      const { outcome, error } = await stage.record();
      assert.deepEqual([outcome, error?.code], ['failed', 'upstream_protocol_error']);
    }));

  test('is over for the origin when the client is gone', () =>
    between(async (client, arrivals, stage) => {
      client.write(ASK);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(AGREE);
      await client.take('\r\n\r\n');
      (client.socket as import('node:net').Socket).resetAndDestroy();
      await until('the end upstream', () => upstream.ended);
      upstream.socket.destroy();
      assert.equal((await stage.record()).outcome, 'aborted');
    }));

  test('is over for the client when the origin is gone', () =>
    between(async (client, arrivals, stage) => {
      client.write(ASK);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(AGREE);
      await client.take('\r\n\r\n');
      (upstream.socket as import('node:net').Socket).resetAndDestroy();
      await until('the end', () => client.ended);
      assert.equal((await stage.record()).outcome, 'failed');
    }));

  test('is recorded when the capture ends in its midst, and both sides are let go', () =>
    between(async (client, arrivals, stage) => {
      client.write(ASK);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(AGREE);
      await client.take('\r\n\r\n');
      const { capture } = stage;
      await capture.close();
      await until('the ends', () => client.ended && upstream.ended);
      const record = await stage.record();
      assert.equal(record.error?.code, 'shutting_down');
    }));

  test('holds back who sends faster than the other reads', () =>
    between(async (client, arrivals) => {
      client.write(ASK);
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write(AGREE);
      await client.take('\r\n\r\n');
      client.socket.pause();
      const chunk = Buffer.alloc(256 * 1024);
      let sent = 0;
      while (sent < 64 * 1024 * 1024 && upstream.socket.write(chunk)) sent += chunk.length;
      for (let still = 0; still < 10 && sent < 64 * 1024 * 1024; still++) {
        await sleep(20);
        while (sent < 64 * 1024 * 1024 && !upstream.socket.writableNeedDrain) {
          upstream.socket.write(chunk);
          sent += chunk.length;
          still = 0;
        }
      }
      assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes went to a client that reads none`);
    }));
});

test("a WebSocket of Node's own client passes over TLS", async () => {
  await using origin = await Origin.rawTls((socket) => {
    socket.once('data', (head) => {
      const key = /sec-websocket-key: (.*)\r/i.exec(head.toString())![1]!;
      const accept = createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
      socket.write(Buffer.from('\x81\x05hello', 'latin1'));
    });
  });
  await using stage = await Stage.open({ 'api.test': origin });
  const program = await node(stage, `
    const socket = new WebSocket('wss://api.test/chat');
    socket.onmessage = ({ data }) => { console.log(data); process.exit(0); };
    socket.onerror = ({ message }) => { console.log('failed', message); process.exit(1); };`);
  assert.equal(program.stdout, 'hello\n', program.stderr);
  const record = await stage.record();
  assert.equal(record.response?.status, 101);
});
