import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { TLSSocket, connect as connectTls, createSecureContext } from 'node:tls';
import type { Decision, PluginHooks } from '../../../core/index.ts';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Origin, originCA } from '../../stage/origin.ts';
import { Wire, soon, until } from '../../stage/wire.ts';

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]);
const GSSENC_REQUEST = Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]);
const secureContext = createSecureContext(originCA.identity('mail.test'));

/** A server's side of a conversation in the clear that turns to TLS. */
async function secured(socket: Socket): Promise<Wire> {
  const tls = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['postgresql'] });
  tls.on('error', () => {});
  await soon('the server\'s handshake', once(tls, 'secure'));
  return new Wire(tls);
}

async function securing(stage: Stage, socket: Wire, options: object = {}): Promise<Wire> {
  const raw = socket.socket as Socket;
  raw.removeAllListeners('data');
  raw.pause();
  const tls = connectTls({ socket: raw, servername: 'mail.test', ca: stage.capture.authority.certificate, ...options });
  tls.on('error', () => {});
  await soon('the client\'s handshake', once(tls, 'secureConnect'));
  return new Wire(tls);
}

interface Talk {
  readonly stage: Stage;
  readonly client: Wire;
  readonly upstream: Wire;
}

async function talk(port: number, act: (talk: Talk) => Promise<void>, options: StageOptions = {}): Promise<void> {
  const arrived = Promise.withResolvers<Socket>();
  await using origin = await Origin.raw((socket) => arrived.resolve(socket));
  await using stage = await Stage.open({ 'mail.test': origin }, options);
  const client = await stage.wire('mail.test', port);
  if (port === 5432) client.write(GSSENC_REQUEST);
  const upstream = new Wire(await soon('the upstream', arrived.promise));
  await act({ stage, client, upstream });
}

/** SMTP up to the agreement. */
async function agree({ client, upstream }: Talk): Promise<void> {
  upstream.write('220 mail.test ESMTP\r\n');
  await client.take('ESMTP\r\n');
  client.write('EHLO me\r\n');
  await upstream.take('EHLO me\r\n');
  upstream.write('250-mail.test\r\n250 STARTTLS\r\n');
  await client.take('250 STARTTLS\r\n');
  client.write('STARTTLS\r\n');
  await upstream.take('STARTTLS\r\n');
  (upstream.socket as Socket).removeAllListeners('data').pause();
  upstream.write('220 go ahead\r\n');
  await client.take('220 go ahead\r\n');
}

describe('TLS inside of a protocol', () => {
  test('begun by STARTTLS is followed, verified, decrypted and recorded in one flow', () =>
    talk(25, async ({ stage, client, upstream }) => {
      await agree({ stage, client, upstream });
      const [server, secure] = await Promise.all([secured(upstream.socket as Socket), securing(stage, client)]);
      secure.write('MAIL FROM:<a@b>\r\n');
      await server.take('MAIL FROM:<a@b>\r\n');
      server.write('250 so be it\r\n');
      await secure.take('250 so be it\r\n');
      secure.socket.end();
      await until('the end', () => server.ended);
      server.socket.end();
      const { kind, outcome, tcp, tls, tls_sni, upstream: facts, bytes, timing } = await stage.record();
      assert.deepEqual([kind, outcome, tls_sni, tls?.version, facts?.tls?.version, tcp?.protocol, tcp?.upgraded_by, tcp?.speaks_first], ['tcp', 'completed', 'mail.test', 'TLSv1.3', 'TLSv1.3', 'smtp', 'starttls', 'server']);
      assert.equal(tcp!.up.data, 'EHLO me\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\n');
      assert.equal(tcp!.down.data, '220 mail.test ESMTP\r\n250-mail.test\r\n250 STARTTLS\r\n220 go ahead\r\n250 so be it\r\n');
      assert.deepEqual(bytes, { up: tcp!.up.data!.length, down: tcp!.down.data!.length });
      assert.ok(timing.tls! > 0);
      assert.match(facts!.tls!.peer_certificate!.subject, /mail\.test/);
    }));

  test('begun by SSLRequest is followed after a refused GSSENCRequest, with the ALPN of both sides', () =>
    talk(5432, async ({ stage, client, upstream }) => {
      await upstream.takeBytes(8);
      upstream.write('N');
      await client.take('N');
      client.write(SSL_REQUEST);
      await upstream.takeBytes(8);
      (upstream.socket as Socket).removeAllListeners('data').pause();
      upstream.write('S');
      await client.take('S');
      const [server, secure] = await Promise.all([secured(upstream.socket as Socket), securing(stage, client, { ALPNProtocols: ['postgresql'] })]);
      secure.write('hello');
      await server.take('hello');
      server.socket.end('bye');
      await secure.take('bye');
      secure.socket.end();
      const { tcp, tls } = await stage.record();
      assert.deepEqual([tcp?.protocol, tcp?.upgraded_by, tls?.alpn], ['postgresql', 'sslrequest', 'postgresql']);
    }));

  test('that is refused goes on in the clear', () =>
    talk(25, async ({ stage, client, upstream }) => {
      upstream.write('220 mail.test ESMTP\r\n');
      await client.take('ESMTP\r\n');
      client.write('STARTTLS\r\n');
      await upstream.take('STARTTLS\r\n');
      upstream.write('454 not now\r\n');
      await client.take('454 not now\r\n');
      client.write('QUIT\r\n');
      await upstream.take('QUIT\r\n');
      upstream.socket.end('221 bye\r\n');
      await client.take('221 bye\r\n');
      client.socket.end();
      const { outcome, tcp, tls } = await stage.record();
      assert.deepEqual([outcome, tcp?.upgraded_by, tls], ['completed', null, null]);
    }));

  test('that is agreed to and does not come goes on in the clear, whoever goes on', () =>
    talk(25, async (talking) => {
      const { client, upstream } = talking;
      await agree(talking);
      upstream.socket.on('data', () => {});
      upstream.write('250 by the way\r\n');
      await client.take('250 by the way\r\n');
      client.write('NOOP\r\n');
      client.socket.end();
      upstream.socket.end();
      const { outcome, tcp } = await talking.stage.record();
      assert.deepEqual([outcome, tcp?.upgraded_by, tcp?.up.data?.endsWith('NOOP\r\n')], ['completed', null, true]);
    }));

  test('to a server that nobody knows fails', () =>
    talk(
      25,
      async (talking) => {
        await agree(talking);
        const server = secured(talking.upstream.socket as Socket).catch(() => null);
        const client = securing(talking.stage, talking.client).catch(() => null);
        const { kind, outcome, error } = await talking.stage.record();
        assert.deepEqual([kind, outcome, error?.code], ['tcp', 'failed', 'upstream_certificate_invalid']);
        talking.client.socket.destroy();
        talking.upstream.socket.destroy();
        await Promise.race([Promise.all([server, client]), until('both ends', () => talking.client.closed)]);
      },
      { trustedCAs: [] },
    ));

  for (const [action, outcome, code] of [['deny', 'denied', 'denied'], ['answer', 'failed', 'protocol_unsupported'], ['passthrough', 'completed', undefined]] as const) {
    test(`is judged by its hello: ${action}`, () =>
      talk(
        25,
        async ({ stage, client, upstream }) => {
          await agree({ stage, client, upstream });
          const serving = secured(upstream.socket as Socket).catch(() => null);
          const securely = securing(stage, client, { ca: originCA.certificate }).catch(() => null);
          if (action === 'passthrough') {
            const [server, secure] = await Promise.all([serving, securely]);
            secure!.socket.end('secret');
            server!.socket.end();
          }
          const { kind, outcome: found, error, violation, tcp, bytes, tls } = await stage.record();
          assert.deepEqual([kind, found, error?.code, violation?.rule], ['tcp', outcome, code, action === 'deny' ? 'the hello' : undefined]);
          assert.equal(tcp!.up.data, 'EHLO me\r\nSTARTTLS\r\n');
          assert.equal(bytes.up > 500, action === 'passthrough');
          assert.equal(tls!.version, null);
          client.socket.destroy();
          upstream.socket.destroy();
        },
        { tap: (hooks: PluginHooks) => hooks.onConnect.tap('test', ({ clientHello }) => (clientHello ? { action, rule: 'the hello', ...(action === 'answer' ? { status: 503 } : {}) } as Decision : undefined)) },
      ));
  }
});

test('TLS inside of a protocol is judged where nothing is recorded', () => {
  const judged: string[] = [];
  return talk(
    25,
    async (talking) => {
      await agree(talking);
      let said = 0;
      (talking.upstream.socket as Socket).on('data', (chunk: Buffer) => (said += chunk.length));
      await securing(talking.stage, talking.client).catch(() => null);
      assert.deepEqual([judged, said], [['raw', 'tls mail.test'], 0]);
    },
    {
      isUnrecorded: true,
      tap: (hooks) => hooks.onConnect.tap('test', ({ protocol, clientHello }) => {
        judged.push(clientHello ? `${protocol} ${clientHello.sni}` : protocol);
        return clientHello ? { action: 'deny', rule: 'the hello' } : undefined;
      }),
    },
  );
});

describe('TLS with something else than HTTP inside', () => {
  test('is decrypted and relayed, whoever speaks first', async () => {
    for (const first of ['client', 'server'] as const) {
      await using origin = await Origin.rawTls((socket) => {
        if (first === 'server') socket.write('* OK ready\r\n');
        socket.once('data', () => socket.end('* BYE\r\n'));
      });
      await using stage = await Stage.open({ 'mail.test': origin });
      const client = await stage.tlsWire('mail.test', { ALPNProtocols: [] }, 993);
      if (first === 'server') await client.take('ready\r\n');
      client.write('\0\x01 LOGOUT\r\n');
      await client.take('BYE\r\n');
      client.socket.end();
      const { kind, outcome, tcp, tls, upstream, bytes } = await stage.record();
      assert.deepEqual([kind, outcome, tcp?.protocol, tcp?.upgraded_by, tcp?.speaks_first, bytes.up], ['tcp', 'completed', first === 'server' ? 'imap' : null, null, first, 11]);
      assert.ok(tls?.version && upstream?.tls?.peer_certificate);
      assert.equal(origin.accepted, 1);
    }
  });

  test('is asked for by ALPN', async () => {
    await using origin = await Origin.rawTls((socket) => void socket.once('data', () => socket.end('there')), { ALPNProtocols: ['postgresql'] });
    await using stage = await Stage.open({ 'mail.test': origin });
    const client = await stage.tlsWire('mail.test', { ALPNProtocols: ['postgresql'] }, 5432);
    client.write('\0\0\0\x08\0\x03\0\0');
    await client.take('there');
    client.socket.end();
    const { kind, tcp, tls, upstream } = await stage.record();
    assert.deepEqual([kind, tcp?.protocol, tls?.alpn, upstream?.tls?.alpn], ['tcp', 'postgresql', 'postgresql', 'postgresql']);
  });

  test('is denied where raw connections are, with nothing said upstream', async () => {
    let said = '';
    await using origin = await Origin.rawTls((socket) => void socket.on('data', (chunk: Buffer) => (said += chunk.toString())));
    await using stage = await Stage.open({ 'mail.test': origin }, { tap: (hooks) => hooks.onConnect.tap('test', ({ protocol }) => (protocol === 'raw' ? { action: 'deny', rule: 'no raw' } : undefined)) });
    const client = await stage.tlsWire('mail.test', { ALPNProtocols: [] }, 7000);
    client.write('\0\x01');
    await until('the end', () => client.closed);
    const { kind, outcome, violation } = await stage.record();
    assert.deepEqual([kind, outcome, violation?.rule, said], ['tcp', 'denied', 'no raw', '']);
  });
});
