import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { CONNECTION_REFUSED } from '../../../core/quic/arrival.ts';
import type { QuicEnd } from '../../../core/quic/connection.ts';
import { initialKeys, sealInitial } from '../../../core/quic/initial-keys.ts';
import { QUIC_V1 } from '../../../core/quic/packet.ts';
import { Seed } from '../../stage/seed.ts';
import { connectTo, echo, exchange, openEndpoint, udpSocket } from '../../stage/quic.ts';
import { RFC_HELLO, cryptoFrame } from '../../stage/quic-vectors.ts';

const run = promisify(execFile);

test('200 names get a certificate of their own each', async (t) => {
  const stage = await openEndpoint(t);
  for (let i = 0; i < 200; i += 20) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, j) => {
        const serverName = `n${i + j}.test`;
        const { connection, peerCertificate } = await connectTo(stage, stage.port, { serverName });
        assert.equal(peerCertificate!.alt_names, `DNS:${serverName}`);
        connection.close(0, '');
      }),
    );
  }
  assert.equal(new Set(stage.arrivals.map(({ hello }) => hello.sni)).size, 200);
});

test('a turned away client is told at once', async (t) => {
  const stage = await openEndpoint(t, { onArrival: (arrival) => arrival.refuse(CONNECTION_REFUSED, 'use TCP') });
  await assert.rejects(connectTo(stage, stage.port), { code: 'connect_failed', message: /use TCP/ });
  assert.equal(stage.endpoint.connections, 0);
});

test('beyond the limit clients are refused, and within it they are not', async (t) => {
  const stage = await openEndpoint(t, {}, { maxConnections: 3 });
  const held = await Promise.all([1, 2, 3].map(() => connectTo(stage, stage.port)));
  await assert.rejects(connectTo(stage, stage.port), { code: 'connect_failed', message: /too many connections/ });
  held[0]!.connection.close(0, '');
});

test('under load a client proves its address first', async (t) => {
  const stage = await openEndpoint(t, { onConnection: echo }, { retryAbove: 0 });
  const { connection, facts } = await connectTo(stage, stage.port);
  assert.equal(String(await exchange(connection.open('bidirectional')!, Buffer.from('proved'))), 'proved.');
  assert.match(facts.cipher ?? '', /^TLS_/);
  connection.close(0, '');
  const { stdout, stderr } = await run('gtlsclient', ['127.0.0.1', String(stage.port), '--timeout=1s'], { timeout: 20_000 }).catch((error: { stdout: string; stderr: string }) => error);
  assert.match(stdout + stderr, /type=Retry[^]*QUIC handshake has completed/);
});

test('an unknown version is told the one that there is', async (t) => {
  const stage = await openEndpoint(t);
  const socket = await udpSocket();
  t.after(() => socket.close());
  const strange = Buffer.concat([Buffer.from('c0babababa08', 'hex'), Buffer.alloc(8, 1), Buffer.from([4]), Buffer.alloc(4, 2), Buffer.alloc(1200)]);
  socket.send(strange, stage.port, '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  assert.equal(answer.readUInt32BE(1), 0);
  assert.deepEqual([answer.subarray(6, 10), answer.subarray(11, 19)], [Buffer.alloc(4, 2), Buffer.alloc(8, 1)]);
  assert.equal(answer.readUInt32BE(answer.length - 4), 1);
});

test('bytes arrive through a path that loses, delays and repeats datagrams', async (t) => {
  const stage = await openEndpoint(t, { onConnection: echo });
  const [outside, inside] = [await udpSocket(), await udpSocket()];
  let over = false;
  t.after(() => {
    over = true;
    [outside, inside].forEach((socket) => socket.close());
  });
  const seed = new Seed(7);
  let client = 0;
  const pass = (send: () => void): void => {
    const roll = seed.next();
    if (roll < 0.05) return;
    if (roll < 0.15) return void setTimeout(() => over || send(), 8 * seed.next());
    send();
    if (roll > 0.95) send();
  };
  outside.on('message', (datagram, { port }) => {
    client = port;
    pass(() => inside.send(datagram, stage.port, '127.0.0.1'));
  });
  inside.on('message', (datagram) => pass(() => outside.send(datagram, client, '127.0.0.1')));
  const { connection } = await connectTo(stage, outside.address().port);
  const bytes = Array.from({ length: 60 }, (_, i) => randomBytes(1 + i * 300));
  const answers = await Promise.all(bytes.map((own) => exchange(connection.open('bidirectional')!, own)));
  answers.forEach((answer, i) => assert.ok(answer.equals(Buffer.concat([bytes[i]!, Buffer.from('.')])), `stream ${i}`));
  connection.close(0, '');
});

test('a connection does not move: what comes from elsewhere is not heard, and where it was it goes on', async (t) => {
  const stage = await openEndpoint(t, { onConnection: echo });
  const [outside, inside, elsewhere] = [await udpSocket(), await udpSocket(), await udpSocket()];
  t.after(() => [outside, inside, elsewhere].forEach((socket) => socket.close()));
  let client = 0;
  let moved = false;
  let heard = 0;
  outside.on('message', (datagram, { port }) => {
    client = port;
    (moved ? elsewhere : inside).send(datagram, stage.port, '127.0.0.1');
  });
  inside.on('message', (datagram) => outside.send(datagram, client, '127.0.0.1'));
  elsewhere.on('message', () => heard++);
  const { connection } = await connectTo(stage, outside.address().port);
  await exchange(connection.open('bidirectional')!, Buffer.from('here'));
  moved = true;
  const answer = exchange(connection.open('bidirectional')!, Buffer.from('there'));
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(heard, 0);
  moved = false;
  assert.equal(String(await answer), 'there.');
  connection.close(0, '');
});

test('a client that rejects our certificate is a handshake that failed, with its alert', async (t) => {
  const failed: QuicEnd[] = [];
  const stage = await openEndpoint(t, { onFailed: (end) => failed.push(end) });
  await assert.rejects(connectTo(stage, stage.port, { roots: [(await openEndpoint(t)).authority.certificate] }));
  while (failed.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([failed[0]!.by, failed[0]!.code, failed[0]!.isApplication], ['failed', 0x130, false]);
});

test('hellos that never become whole, and bytes without sense, leave nothing behind', async (t) => {
  const stage = await openEndpoint(t, { onArrival: () => assert.fail('there was no hello') }, { maxConnections: 20 });
  const seed = new Seed(11);
  const from = { address: '127.0.0.1', port: 9 };
  for (let i = 0; i < 3000; i++) {
    const dcid = randomBytes(8);
    const datagram = sealInitial(QUIC_V1, dcid, randomBytes(4), cryptoFrame(RFC_HELLO, 0, 100), initialKeys(QUIC_V1, dcid, 'client'), 0, 1200);
    if (i % 2 === 0) datagram[Math.floor(seed.next() * datagram.length)]! ^= 1 + Math.floor(seed.next() * 255);
    stage.endpoint.receive(i % 3 === 0 ? datagram.subarray(0, Math.floor(seed.next() * datagram.length)) : datagram, from);
  }
  assert.equal(stage.endpoint.connections, 20, 'the others were refused');
});

test('a neighbour whose address has a zone is heard like any other', async (t) => {
  const stage = await openEndpoint(t);
  const own = { address: '127.0.0.1', port: 1 };
  const config = stage.transport.configure({ alpn: ['h3'], maxDatagram: 1350, maxStreams: 0, identity: null, roots: [] });
  const first = Buffer.alloc(1350);
  const length = stage.transport.connect(config, 'a.test', randomBytes(16), own, own).send(first);
  stage.endpoint.receive(first.subarray(0, length), { address: 'fe80::1%eth0', port: 9 });
  assert.deepEqual([stage.arrivals.length, stage.endpoint.connections], [1, 1]);
});

test('hellos that are not whole are counted over all endpoints that share a limit', async (t) => {
  const hellos = { count: 0, limit: 3 };
  const stages = [await openEndpoint(t, {}, { hellos }), await openEndpoint(t, {}, { hellos })];
  for (let i = 0; i < 8; i++) {
    const dcid = randomBytes(8);
    const datagram = sealInitial(QUIC_V1, dcid, randomBytes(4), cryptoFrame(RFC_HELLO, 0, 100), initialKeys(QUIC_V1, dcid, 'client'), 0, 1200);
    stages[i % 2]!.endpoint.receive(datagram, { address: '127.0.0.1', port: 9 });
  }
  assert.deepEqual([hellos.count, ...stages.map(({ endpoint }) => endpoint.connections)], [3, 2, 1]);
  stages[0]!.endpoint.close(0);
  assert.equal(hellos.count, 1);
  const { connection } = await connectTo(stages[1]!, stages[1]!.port);
  assert.equal(hellos.count, 1);
  connection.close(0, '');
});

test('a client that was decided on too late is a handshake that failed', async (t) => {
  const failed: QuicEnd[] = [];
  const stage = await openEndpoint(t, {
    onArrival: (arrival) => void setTimeout(() => arrival.accept(stage.authority.identityFor('a.test'), { onEstablished: () => assert.fail('it is gone'), onFailed: (end) => failed.push(end) }), 60),
  }, { decisionTimeout: 20 });
  const client = connectTo(stage, stage.port, { timeoutMs: 100 }).catch(() => null);
  while (failed.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([failed[0]!.by, stage.endpoint.connections], ['timeout', 0]);
  await client;
});
