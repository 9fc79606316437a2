import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { QuicConnection, QuicEnd, QuicStream } from '../../../core/quic/connection.ts';
import { connectTo, echo, ended, exchange, openEndpoint, udpSocket } from '../../stage/quic.ts';

const run = promisify(execFile);

test('bytes come back on many streams at once, more of them than the peer allows at a time', async (t) => {
  const stage = await openEndpoint(t, { onConnection: echo });
  const { connection, facts, peerCertificate } = await connectTo(stage, stage.port);
  t.after(() => connection.close(0, ''));
  assert.match(facts.cipher ?? '', /^TLS_/);
  assert.match(facts.group ?? '', /X25519/);
  assert.match(peerCertificate!.alt_names, /a\.test/);
  const waiting: (() => void)[] = [];
  connection.attach({ onStream: () => {}, onStreamsAllowed: () => waiting.splice(0).forEach((again) => again()), onClose: () => {} });
  let held = 0;
  const request = async (bytes: Buffer): Promise<void> => {
    let stream = connection.open('bidirectional');
    while (stream === null) {
      held++;
      await new Promise<void>((resolve) => waiting.push(resolve));
      stream = connection.open('bidirectional');
    }
    const answer = await exchange(stream, bytes);
    assert.ok(answer.equals(Buffer.concat([bytes, Buffer.from('.')])));
  };
  await Promise.all(Array.from({ length: 600 }, (_, i) => request(randomBytes(1 + ((i * 37) % 5000)))));
  assert.ok(held > 0, 'the peer allows 256 streams at a time');
});

test('4 MiB each way through a stream whose reader pauses', async (t) => {
  const stage = await openEndpoint(t, { onConnection: echo });
  const { connection } = await connectTo(stage, stage.port);
  t.after(() => connection.close(0, ''));
  const stream = connection.open('bidirectional')!;
  const bytes = randomBytes(4 * 1024 * 1024);
  let sent = 0;
  let came = 0;
  const push = (): void => {
    while (sent < bytes.length - 1) {
      const chunk = bytes.subarray(sent, Math.min(sent + 64 * 1024, bytes.length - 1));
      sent += chunk.length;
      if (!stream.write(chunk)) return;
    }
    stream.end(bytes.subarray(bytes.length - 1));
  };
  const whole = new Promise<void>((resolve) => {
    stream.attach({
      onData: (chunk) => {
        if (came + chunk.length <= bytes.length) assert.ok(chunk.equals(bytes.subarray(came, came + chunk.length)), `at ${came}`);
        came += chunk.length;
        stream.pause();
        setImmediate(() => stream.resume());
      },
      onEnd: resolve,
      onReset: () => assert.fail('reset'),
      onStopSending: () => assert.fail('stopped'),
      onDrain: push,
    });
  });
  push();
  assert.ok(sent < bytes.length / 2, 'the writer was held back');
  await whole;
  assert.equal(came, bytes.length + 1);
});

test('resets and requests to stop reach the other side with their codes, and give their streams back', async (t) => {
  const seen: string[] = [];
  const stage = await openEndpoint(t, {
    onConnection: (connection) => {
      connection.attach({
        onStream: (stream: QuicStream) => {
          stream.attach({
            onData: () => {
              stream.stopReading(0x10c);
              stream.reset(0x10d);
            },
            onEnd: () => {},
            onReset: (code) => seen.push(`reset ${code}`),
            onStopSending: (code) => seen.push(`stop ${code}`),
            onDrain: () => {},
          });
        },
        onStreamsAllowed: () => {},
        onClose: () => {},
      });
    },
  });
  const { connection } = await connectTo(stage, stage.port);
  t.after(() => connection.close(0, ''));
  const waiting: (() => void)[] = [];
  connection.attach({ onStream: () => {}, onStreamsAllowed: () => waiting.splice(0).forEach((again) => again()), onClose: () => {} });
  const told = { stop: 0, reset: 0 };
  const abort = async (): Promise<void> => {
    let stream = connection.open('bidirectional');
    while (stream === null) {
      await new Promise<void>((resolve) => waiting.push(resolve));
      stream = connection.open('bidirectional');
    }
    const own = stream;
    await new Promise<void>((resolve) => {
      let left = 2;
      const one = (): void => void (--left === 0 && resolve());
      own.attach({
        onData: () => {},
        onEnd: () => {},
        onReset: (code) => {
          assert.equal(code, 0x10d);
          told.reset++;
          one();
        },
        onStopSending: (code) => {
          assert.equal(code, 0x10c);
          told.stop++;
          one();
        },
        onDrain: () => {},
      });
      own.write(Buffer.from('x'));
    });
  };
  for (let round = 0; round < 6; round++) await Promise.all(Array.from({ length: 100 }, abort));
  assert.deepEqual(told, { stop: 600, reset: 600 });
  const last = connection.open('bidirectional')!;
  last.write(Buffer.from('y'));
  last.reset(77);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(seen.length <= 1);
});

test('closing tells the other side the code, and nobody here', async (t) => {
  const ends: Promise<QuicEnd>[] = [];
  const stage = await openEndpoint(t, { onConnection: (connection) => void ends.push(ended(connection)) });
  const { connection } = await connectTo(stage, stage.port);
  connection.attach({ onStream: () => {}, onStreamsAllowed: () => {}, onClose: () => assert.fail('told of our own close') });
  while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  connection.close(0x100, 'done');
  assert.deepEqual(await ends[0], { by: 'peer', code: 0x100, isApplication: true, reason: 'done' });
  assert.equal(connection.open('bidirectional'), null);
});

test('the upstream certificate is verified: its chain, its name, its address', async (t) => {
  const stage = await openEndpoint(t, {});
  const failure = (options: Parameters<typeof connectTo>[2]): Promise<string> => connectTo(stage, stage.port, options).then(() => 'connected', (error: { code: string }) => error.code);
  const other = await openEndpoint(t, {});
  assert.equal(await failure({ roots: [other.authority.certificate] }), 'upstream_certificate_invalid');
  assert.equal(await failure({ serverName: 'a.test', host: 'b.test' }), 'upstream_certificate_invalid');
  assert.equal(await failure({ serverName: null, host: '127.0.0.2' }), 'upstream_certificate_invalid');
  assert.equal(await failure({ serverName: null, host: 'a.test' }), 'upstream_certificate_invalid');
  const byAddress = await connectTo(stage, stage.port, { serverName: null });
  byAddress.connection.close(0, '');
  assert.equal(stage.arrivals.at(-1)!.hello.sni, null);
});

test('a port where nobody listens is refused at once', async (t) => {
  const stage = await openEndpoint(t, {});
  const socket = await udpSocket();
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  const began = performance.now();
  await assert.rejects(connectTo(stage, port), { code: 'connect_failed', message: /ECONNREFUSED/ });
  assert.ok(performance.now() - began < 5_000, 'no time-out was waited for');
});

test('gtlsclient shakes hands and is told of no error; its hello has a fingerprint of QUIC', async (t) => {
  const connections: QuicConnection[] = [];
  const stage = await openEndpoint(t, { onConnection: (connection) => void connections.push(connection) });
  const { stdout, stderr } = await run('gtlsclient', ['127.0.0.1', String(stage.port), '--timeout=1s', '--exit-on-all-streams-close'], { timeout: 20_000 }).catch((error: { stdout: string; stderr: string }) => error);
  assert.match(stdout + stderr, /QUIC handshake has completed/);
  assert.equal(connections.length, 1);
  assert.equal(connections[0]!.alpn, 'h3');
  assert.match(stage.arrivals[0]!.hello.ja4, /^q13/);
});

test('a server name that the transport does not take costs no socket', async (t) => {
  const stage = await openEndpoint(t, {});
  const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length;
  const before = sockets();
  for (let i = 0; i < 5; i++) await assert.rejects(connectTo(stage, stage.port, { serverName: `a\0${i}` }), { code: 'connect_failed' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(sockets() <= before, `${sockets()} after ${before}`);
});
