import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { PluginHooks } from '../../../core/index.ts';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { soon, until, type Wire } from '../../stage/wire.ts';

interface Scene {
  readonly stage: Stage;
  readonly origin: Origin;
  readonly arrivals: Arrivals;
  open(port?: number): Promise<Wire>;
}

async function scene(act: (scene: Scene) => Promise<void>, options: StageOptions = {}): Promise<void> {
  const arrivals = new Arrivals();
  await using origin = await Origin.raw(arrivals.add);
  await using stage = await Stage.open({ 'raw.test': origin }, options);
  await act({ stage, origin, arrivals, open: (port = 7000) => stage.wire('raw.test', port) });
}

const denyRaw = (hooks: PluginHooks): void =>
  hooks.onConnect.tap('test', ({ protocol }) => (protocol === 'raw' ? { action: 'deny', rule: 'no raw' } : { action: 'allow', rule: 'http' }));

const reset = ({ socket }: Wire): void => void (socket as Socket).resetAndDestroy();

describe('a raw connection', () => {
  test('of a client that speaks first is relayed and recorded', () =>
    scene(async ({ stage, arrivals, open }) => {
      const client = await open();
      client.write('*1\r\n$4\r\nPING\r\n');
      const upstream = await arrivals.next();
      await upstream.take('PING\r\n');
      upstream.write('+PONG\r\n');
      await client.take('+PONG\r\n');
      client.socket.end();
      await until('the end', () => upstream.ended);
      upstream.socket.end();
      const { kind, outcome, error, bytes, tcp, upstream: facts, timing, request, policy } = await stage.record();
      assert.deepEqual({ kind, outcome, error, bytes, tcp, request, policy }, {
        kind: 'tcp', outcome: 'completed', error: null, bytes: { up: 14, down: 7 }, request: null, policy: null,
        tcp: {
          protocol: 'redis', upgraded_by: null, speaks_first: 'client',
          up: { data: '*1\r\n$4\r\nPING\r\n', data_encoding: 'utf8', data_truncated: false, data_file: null },
          down: { data: '+PONG\r\n', data_encoding: 'utf8', data_truncated: false, data_file: null },
        },
      });
      assert.equal(facts?.address, '127.0.0.1');
      assert.ok(timing.connect! > 0 && timing.total >= timing.connect!);
    }));

  test('of a server that speaks first is dialled for a silent client', () =>
    scene(async ({ stage, arrivals, open }) => {
      for (const port of [22, 7000]) {
        const client = await open(port);
        const upstream = await arrivals.next();
        upstream.write('SSH-2.0-x\r\n');
        await client.take('SSH-2.0-x\r\n');
        client.write('SSH-2.0-y\r\n');
        await upstream.take('SSH-2.0-y\r\n');
        upstream.socket.end();
        await until('the end', () => client.ended);
        client.socket.end();
      }
      const records = await stage.recorded(2);
      assert.deepEqual(records.map(({ outcome, tcp }) => [outcome, tcp?.protocol, tcp?.speaks_first]), [['completed', 'ssh', 'server'], ['completed', 'ssh', 'server']]);
    }));

  test('keeps the half that is left open', () =>
    scene(async ({ stage, arrivals, open }) => {
      const client = await open();
      client.write('\0 all of it');
      client.socket.end();
      const upstream = await arrivals.next();
      await until('the half', () => upstream.ended);
      assert.equal(upstream.text, '\0 all of it');
      upstream.write('answer');
      upstream.socket.end();
      assert.equal(await client.takeAll(), 'answer');
      assert.equal((await stage.record()).outcome, 'completed');
    }));

  test('of a word that could have begun a request passes whole', () =>
    scene(async ({ stage, arrivals, open }) => {
      const client = await open();
      client.write('hello');
      client.socket.end();
      const upstream = await arrivals.next();
      await until('the half', () => upstream.ended);
      assert.equal(upstream.text, 'hello');
      upstream.socket.end('bye');
      assert.equal(await client.takeAll(), 'bye');
      const { outcome, bytes } = await stage.record();
      assert.deepEqual([outcome, bytes], ['completed', { up: 5, down: 3 }]);
    }));

  for (const [name, end, outcome, code] of [
    ['the client resets', ({ client }: { client: Wire }) => reset(client), 'aborted', 'client_aborted'],
    ['the server resets', ({ upstream }: { upstream: Wire }) => reset(upstream), 'failed', 'upstream_aborted'],
    ['the capture closes', ({ stage }: { stage: Stage }) => void stage.capture.close(), 'aborted', 'shutting_down'],
  ] as const) {
    test(`that ${name} has one record`, () =>
      scene(async ({ stage, arrivals, open }) => {
        const client = await open();
        client.write('\0\x01');
        const upstream = await arrivals.next();
        await upstream.take('\x01');
        end({ client, upstream, stage });
        const record = await stage.record();
        assert.deepEqual([record.kind, record.outcome, record.error?.code], ['tcp', outcome, code]);
        await until('both ends', () => client.ended && upstream.ended);
      }));
  }

  test('to nowhere is a failure, and the client sees a reset', async () => {
    await using stage = await Stage.open({ 'raw.test': '127.0.0.1:1' });
    for (const word of ['\0', '']) {
      const client = await stage.wire('raw.test', 22);
      if (word) client.write(word);
      await until('the end', () => client.closed);
    }
    assert.deepEqual((await stage.recorded(2)).map(({ kind, outcome, error }) => [kind, outcome, error?.code]), Array(2).fill(['tcp', 'failed', 'connect_failed']));
  });

  test('to an address that is not public is denied', async () => {
    await using stage = await Stage.open({});
    const client = await stage.wire('10.1.2.3', 22);
    client.write('\0');
    await until('the end', () => client.closed);
    const { outcome, error, violation } = await stage.record();
    assert.deepEqual([outcome, error?.code, violation?.by], ['denied', 'address_denied', 'core']);
  });
});

describe('a denied raw connection', () => {
  test('is reset, with one violation and nothing dialled, whether it speaks or waits where servers greet', () =>
    scene(
      async ({ stage, origin, open }) => {
        for (const [port, word] of [[7000, '\0x'], [25, ''], [25, 'EHLO a\r\n']] as const) {
          const client = await open(port);
          if (word) client.write(word);
          await until('the end', () => client.closed);
          assert.equal((client.error as NodeJS.ErrnoException | null)?.code, 'ECONNRESET');
        }
        const records = await stage.recorded(3);
        assert.deepEqual(records.map(({ kind, outcome, violation, bytes }) => [kind, outcome, violation?.rule, bytes.up]), Array(3).fill(['tcp', 'denied', 'no raw', 0]));
        assert.equal(new Set(records.map(({ violation }) => violation!.id)).size, 3);
        assert.equal(origin.accepted, 0);
      },
      { tap: denyRaw },
    ));

  test('that waits elsewhere may still turn out to be HTTP', () =>
    scene(
      async ({ stage, origin, arrivals, open }) => {
        const client = await open(8080);
        await sleep(400);
        assert.equal(origin.accepted, 0);
        client.write('GET / HTTP/1.1\r\nHost: raw.test:8080\r\n\r\n');
        const upstream = await arrivals.next();
        await upstream.take('\r\n\r\n');
        upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        await client.take('ok');
        assert.equal((await stage.record()).kind, 'http');
      },
      { tap: denyRaw },
    ));
});

describe('a slow client', () => {
  test('of HTTP is captured as HTTP, on the connection that was dialled for it', () =>
    scene(async ({ stage, origin, arrivals, open }) => {
      const client = await open(80);
      await until('the upstream', () => origin.accepted === 1);
      client.write('GET /slow HTTP/1.1\r\nHost: raw.test\r\n\r\n');
      const upstream = await arrivals.next();
      await upstream.take('\r\n\r\n');
      upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      await client.take('ok');
      const { kind, outcome, request } = await stage.record();
      assert.deepEqual([kind, outcome, request?.url, origin.accepted], ['http', 'completed', 'http://raw.test/slow', 1]);
    }));

  test('of TLS is decrypted', async () => {
    await using origin = await Origin.https((_request, response) => void response.end('ok'));
    await using stage = await Stage.open({ 'raw.test': origin });
    const socket = await stage.tunnel('raw.test', 443);
    await until('the upstream', () => origin.accepted === 1);
    const tls = connectTls({ socket, servername: 'raw.test', ca: stage.capture.authority.certificate, ALPNProtocols: ['http/1.1'] });
    await soon('the handshake', once(tls, 'secureConnect'));
    tls.write('GET / HTTP/1.1\r\nHost: raw.test\r\nConnection: close\r\n\r\n');
    tls.resume();
    const { kind, response } = await stage.record();
    assert.deepEqual([kind, response?.status, response?.body, origin.accepted], ['http', 200, 'ok', 1]);
  });

  test('that leaves without a word is recorded as gone', () =>
    scene(async ({ stage, arrivals, open }) => {
      const client = await open(22);
      const upstream = await arrivals.next();
      client.socket.end();
      const { kind, outcome, error, upstream: facts } = await stage.record();
      assert.deepEqual([kind, outcome, error?.code, facts?.address], ['tcp', 'aborted', 'no_request', '127.0.0.1']);
      await until('the end', () => upstream.ended);
    }));
});

test('what a client says that ends its half at once is relayed where nobody watches', async () => {
  await using origin = await Origin.raw((socket) => void socket.once('data', (chunk) => socket.end(chunk)));
  await using stage = await Stage.open({ 'raw.test': origin }, { isUnrecorded: true });
  const client = await stage.wire('raw.test', 9000);
  client.socket.end('HE');
  assert.equal(await client.takeAll(), 'HE');
});
