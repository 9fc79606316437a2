import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CryptoStream } from '../../../core/quic/crypto-stream.ts';
import { HelloAssembly } from '../../../core/quic/hello-assembly.ts';
import { initialKeys, openInitial, sealInitial } from '../../../core/quic/initial-keys.ts';
import { QUIC_V1, QUIC_V2, readLongPacket } from '../../../core/quic/packet.ts';
import { ServerHelloReader } from '../../../core/quic/server-hello.ts';
import { RFC_DCID, RFC_HELLO, RFC_SERVER_INITIAL, cryptoFrame } from '../../stage/quic-vectors.ts';

const hex = (bytes: Buffer): string => bytes.toString('hex');
const SCID = Buffer.from('c1c2c3c4', 'hex');

function initial(version: number, frames: Buffer, number: number): Buffer {
  return sealInitial(version, RFC_DCID, SCID, frames, initialKeys(version, RFC_DCID, 'client'), number, 1200);
}

test('the keys are those of RFC 9001, appendix A.1', () => {
  const client = initialKeys(QUIC_V1, RFC_DCID, 'client');
  assert.deepEqual([client.key, client.iv, client.headerKey].map(hex), ['1f369613dd76d5467730efcbe3b1a22d', 'fa044b2f42a3fd3b46fb255c', '9f50449e04a0e810283a1e9933adedd2']);
  const server = initialKeys(QUIC_V1, RFC_DCID, 'server');
  assert.deepEqual([server.key, server.iv, server.headerKey].map(hex), ['cf3a5331653c364c88f0f379b6067e37', '0ac1493ca1905853b0bba03e', 'c206b8d9b9f0f37644430b490eeaa314']);
});

test('the keys of version 2 are those of RFC 9369, appendix A.1', () => {
  const client = initialKeys(QUIC_V2, RFC_DCID, 'client');
  assert.deepEqual([client.key, client.iv, client.headerKey].map(hex), ['8b1a0bc121284290a29e0971b5cd045d', '91f73e2351d8fa91660e909f', '45b95e15235d6f45a6b19cbcb0294ba9']);
});

test('the server Initial of RFC 9001, appendix A.3, tells cipher and group', () => {
  const reader = new ServerHelloReader(QUIC_V1, RFC_DCID);
  const before = hex(RFC_SERVER_INITIAL);
  reader.see(RFC_SERVER_INITIAL);
  assert.deepEqual(reader.facts, { cipher: 'TLS_AES_128_GCM_SHA256', group: 'X25519' });
  assert.equal(hex(RFC_SERVER_INITIAL), before, 'the datagram is left as it was');
});

for (const [name, version] of [['1', QUIC_V1], ['2', QUIC_V2]] as const) {
  test(`a hello of version ${name} is put together from datagrams in any order, some of them twice`, () => {
    const parts = [
      cryptoFrame(RFC_HELLO, 0, 60),
      cryptoFrame(RFC_HELLO, 60, 150),
      Buffer.concat([Buffer.from([1, 0]), cryptoFrame(RFC_HELLO, 140, RFC_HELLO.length), Buffer.from([2, 0, 0, 0, 0])]),
    ].map((frames, number) => initial(version, frames, number));
    const [first, second, third] = parts as [Buffer, Buffer, Buffer];
    const assembly = HelloAssembly.begin(third)!;
    assert.equal(assembly.add(third), 'need-more');
    assert.equal(assembly.add(first), 'need-more');
    assert.equal(assembly.add(first), 'need-more');
    const hello = assembly.add(second);
    assert.ok(typeof hello !== 'string');
    assert.equal(hello.sni, 'example.com');
    assert.match(hello.ja4, /^q13d/);
    assert.deepEqual([hex(assembly.dcid), hex(assembly.scid), assembly.datagrams.length], [hex(RFC_DCID), hex(SCID), 4]);
  });
}

test('what only looks like an Initial is none, and an attacker cannot make the assembly grow', () => {
  const sealed = initial(QUIC_V1, cryptoFrame(RFC_HELLO, 0, 100), 0);
  assert.equal(openInitial(sealed, readLongPacket(sealed)!, initialKeys(QUIC_V1, SCID, 'client')), null);
  const broken = Buffer.from(sealed);
  broken[600]! ^= 1;
  assert.equal(HelloAssembly.begin(broken), null);
  assert.equal(HelloAssembly.begin(sealed.subarray(0, 600)), null);
  const stream = new CryptoStream();
  assert.equal(stream.take(Buffer.concat(Array.from({ length: 257 }, (_, i) => cryptoFrame(Buffer.alloc(4000), 2 + 3 * i, 3 + 3 * i)))), false, 'pieces without end');
  assert.equal(new CryptoStream().take(Buffer.from([6, 0x80, 0x01, 0, 0, 1, 0])), false, 'beyond the bound');
  assert.equal(new CryptoStream().take(Buffer.from([0x1c, 0, 0, 0])), false, 'a close');
});

test('what cannot be opened is not kept for a hello, nor more than a bound of what can', () => {
  const sealed = initial(QUIC_V1, cryptoFrame(RFC_HELLO, 0, 100), 0);
  const assembly = HelloAssembly.begin(sealed)!;
  assembly.add(sealed);
  const junk = Buffer.alloc(60_000);
  sealed.copy(junk, 0, 0, 60);
  for (let i = 0; i < 100; i++) assert.equal(assembly.add(junk), 'need-more');
  assert.equal(assembly.datagrams.length, 1);
  const padded = Buffer.concat([sealed, Buffer.alloc(40_000)]);
  assert.deepEqual([1, 2, 3].map(() => assembly.add(padded)), ['need-more', 'need-more', 'invalid']);
  assert.equal(assembly.datagrams.length, 3);
});
