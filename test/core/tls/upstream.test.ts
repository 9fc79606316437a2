/** TLS on both sides: what the upstream shows, what it is shown, and what the client is offered. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect as connectTls, type TLSSocket, type TlsOptions } from 'node:tls';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Arrivals, Origin, OriginCA, originCA } from '../../stage/origin.ts';
import { Wire, until } from '../../stage/wire.ts';
import { readClientHello } from '../../../core/peek/client-hello.ts';
import type { ClientHello } from '../../../core/index.ts';
import { GET, OK, answering } from './answering.ts';

async function failure(options: TlsOptions, stageOptions: StageOptions = {}): Promise<{ code: string; message: string }> {
  await using origin = await answering([], options);
  await using stage = await Stage.open({ 'api.test': origin }, stageOptions);
  const client = await stage.tlsWire('api.test');
  client.write(GET);
  const { head, body } = await client.takeResponse();
  assert.match(head, /^HTTP\/1.1 502 /);
  const record = await stage.record();
  assert.equal(record.outcome, 'failed');
  assert.equal(record.error?.code, JSON.parse(body).error);
  assert.equal(record.response?.status, 502);
  return record.error!;
}

describe("an upstream's certificate", () => {
  test('is recorded, with the version and cipher of both sides', async () => {
    await using origin = await answering();
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.tlsWire('api.test', { maxVersion: 'TLSv1.2' });
    client.write(GET);
    await client.takeResponse();
    const { tls, upstream, tls_sni } = await stage.record();
    assert.equal(tls_sni, 'api.test');
    assert.equal(tls?.version, 'TLSv1.2');
    assert.equal(upstream?.tls?.version, 'TLSv1.2', 'the versions that the client offers are mirrored');
    assert.match(tls?.cipher ?? '', /^TLS_ECDHE_ECDSA_/);
    assert.match(upstream?.tls?.peer_certificate?.issuer ?? '', /Test origins/);
    assert.equal(upstream?.tls?.peer_certificate?.alt_names, 'DNS:api.test');
    assert.match(upstream?.tls?.peer_certificate?.sha256 ?? '', /^[0-9a-f]{64}$/);
  });

  test('of nobody that is trusted is a 502 with a code', async () => {
    const { code, message } = await failure(new OriginCA('Somebody').identity('api.test'));
    assert.equal(code, 'upstream_certificate_invalid');
    assert.match(message, /api\.test/);
  });

  test('signed by itself is a 502 with a code', async () => {
    assert.equal((await failure(OriginCA.selfSigned('api.test'))).code, 'upstream_certificate_invalid');
  });

  test('of another name is a 502 with a code', async () => {
    const { code, message } = await failure(originCA.identity('other.test'));
    assert.equal(code, 'upstream_certificate_invalid');
    assert.match(message, /other\.test/);
  });

  test('that has expired, or is not valid yet, is a 502 with a code', async () => {
    assert.match((await failure(originCA.identity('api.test', [-3, -2]))).message, /expired/);
    assert.equal((await failure(originCA.identity('api.test', [2, 3]))).code, 'upstream_certificate_invalid');
  });

  test('of a CA that the profile trusts is believed', async () => {
    const somebody = new OriginCA('Somebody');
    await using origin = await answering([], somebody.identity('api.test'));
    await using stage = await Stage.open({ 'api.test': origin }, { trustedCAs: [somebody.certificate] });
    const client = await stage.tlsWire('api.test');
    client.write(GET);
    assert.equal((await client.takeResponse()).body, 'ok');
  });

  test('is judged by the name that the client asks for, where it dials an address', async () => {
    await using origin = await answering([], originCA.identity('api.test'));
    await using stage = await Stage.open({ '203.0.113.7': origin });
    const right = new Wire(connectTls({ socket: await stage.tunnel('203.0.113.7', 443), servername: 'api.test', ca: stage.capture.authority.certificate }));
    right.write(GET);
    assert.equal((await right.takeResponse()).body, 'ok');
    const wrong = new Wire(connectTls({ socket: await stage.tunnel('203.0.113.7', 443), servername: 'other.test', ca: stage.capture.authority.certificate }));
    wrong.write(GET.replace('api', 'other'));
    assert.match((await wrong.takeResponse()).head, /^HTTP\/1.1 502 /);
  });

  test('of an address is believed, and ours for it is by the client', async () => {
    await using origin = await answering([], originCA.identity('203.0.113.7'));
    await using stage = await Stage.open({ '203.0.113.7': origin });
    const tls = connectTls({ socket: await stage.tunnel('203.0.113.7', 443), host: '203.0.113.7', ca: stage.capture.authority.certificate });
    const client = new Wire(tls);
    client.write(GET.replace('api.test', '203.0.113.7'));
    assert.equal((await client.takeResponse()).body, 'ok');
    const record = await stage.record();
    assert.equal(record.tls_sni, null);
    assert.equal(record.request?.url, 'https://203.0.113.7/');
  });
});

describe('a handshake with the upstream', () => {
  test('that fails is a 502 with a code', async () => {
    await using origin = await Origin.raw((socket) => socket.end('this is no TLS at all\r\n'));
    await using stage = await Stage.open({ 'api.test': origin });
    const client = await stage.tlsWire('api.test');
    client.write(GET);
    assert.equal(JSON.parse((await client.takeResponse()).body).error, 'upstream_tls_failed');
    assert.equal((await stage.record()).error?.code, 'upstream_tls_failed');
  });

  test('that nobody waits for any longer is given up', async () => {
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    await using stage = await Stage.open({ 'api.test': origin });
    const socket = await stage.tunnel('api.test', 443);
    const tls = connectTls({ socket, servername: 'api.test' });
    tls.on('error', () => {});
    const upstream = await arrivals.next();
    socket.destroy();
    await until('the end upstream', () => upstream.ended);
    const record = await stage.record();
    assert.equal(record.outcome, 'aborted');
    assert.equal(record.error?.code, 'client_aborted');
    assert.equal(record.tls_sni, 'api.test');
  });

  test('resumes its session, and the record still shows the certificate', async () => {
    const seen: boolean[] = [];
    await using origin = await answering(seen);
    await using stage = await Stage.open({ 'api.test': origin });
    for (const _ of [1, 2]) {
      const client = await stage.tlsWire('api.test');
      client.write(GET);
      await client.takeResponse();
      await client.close();
    }
    const records = await stage.recorded(2);
    assert.deepEqual(seen, [false, true]);
    assert.deepEqual(records[1]?.upstream?.tls?.peer_certificate, records[0]?.upstream?.tls?.peer_certificate);
    assert.ok(records[1]?.upstream?.tls?.peer_certificate);
  });

  test('offers what the client offers: ciphers, groups, signature algorithms, versions, in its order', async () => {
    let hello: ClientHello | null = null;
    await using origin = await Origin.raw((socket) => {
      let bytes = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        const reading = readClientHello(bytes);
        if (typeof reading === 'string') return;
        hello = reading;
        socket.destroy();
      });
    });
    await using stage = await Stage.open({ 'api.test': origin });
    const offer = {
      ciphers: 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
      ecdhCurve: 'P-384:X25519:P-256',
      sigalgs: 'ecdsa_secp384r1_sha384:ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256',
    };
    const client = await stage.tlsWire('api.test', offer);
    client.write(GET);
    await client.takeResponse();
    const shown = hello as ClientHello | null;
    assert.deepEqual(shown?.ciphers.filter((id) => id !== 0xff), [0x1303, 0x1301, 0xcca9, 0xc02f, 0xc02b]);
    assert.deepEqual(shown?.groups, [24, 29, 23]);
    assert.deepEqual(shown?.signatureAlgorithms, [0x0503, 0x0403, 0x0804]);
    assert.equal(shown?.sni, 'api.test');
    assert.deepEqual(shown?.alpn, ['http/1.1']);
  });

  test('sends no server name where the client sends none', async () => {
    let asked: string | false | null | undefined;
    await using origin = await Origin.rawTls((socket) => {
      asked = (socket as TLSSocket).servername;
      socket.on('data', () => socket.write(OK));
    }, originCA.identity('api.test'));
    await using stage = await Stage.open({ 'api.test': origin });
    const client = new Wire(connectTls({ socket: await stage.tunnel('api.test', 443), servername: '', checkServerIdentity: () => undefined, ca: stage.capture.authority.certificate }));
    client.write(GET);
    await client.takeResponse();
    assert.ok(!asked, String(asked));
  });
});
