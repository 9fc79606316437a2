import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { addressBytes, addressText } from '../../../core/names/address.ts';
import { AddressGuard } from '../../../core/upstream/address-guard.ts';
import { NAT64, SPECIAL_IPV4, SPECIAL_IPV6, type SpecialRange } from '../../../core/upstream/special-addresses.ts';

const guard = new AddressGuard(() => []);

function numberOf(address: string): bigint {
  return addressBytes(address)!.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function addressOf(number: bigint, length: number): string {
  const bytes = new Uint8Array(length);
  for (let i = length - 1; i >= 0; i -= 1, number >>= 8n) bytes[i] = Number(number & 255n);
  return addressText(bytes);
}

function edges({ network, bits }: SpecialRange): { first: string; last: string; before: string | null; after: string | null } {
  const length = addressBytes(network)!.length;
  const first = numberOf(network);
  const last = first + (1n << BigInt(length * 8 - bits)) - 1n;
  const text = (number: bigint): string | null => (number < 0n || number >= 1n << BigInt(length * 8) ? null : addressOf(number, length));
  return { first: text(first)!, last: text(last)!, before: text(first - 1n), after: text(last + 1n) };
}

/** Independent of BlockList: arithmetic over the whole address. */
function isSpecial(address: string, table: readonly SpecialRange[]): boolean {
  const width = addressBytes(address)!.length * 8;
  const shift = (range: SpecialRange): bigint => BigInt(width - range.bits);
  return table.some((range) => numberOf(address) >> shift(range) === numberOf(range.network) >> shift(range));
}

for (const [table, family] of [[SPECIAL_IPV4, 'IPv4'], [SPECIAL_IPV6, 'IPv6']] as const) {
  for (const range of table) {
    test(`${family} ${range.network}/${range.bits} (${range.name}, ${range.source}) is refused from its first address to its last, and no further`, () => {
      const { first, last, before, after } = edges(range);
      for (const inside of [first, last]) assert(guard.refusal(inside) !== null || isNat64(inside), inside);
      for (const outside of [before, after]) {
        if (outside === null || isNat64(outside)) continue;
        assert.equal(guard.refusal(outside) !== null, isSpecial(outside, table), outside);
      }
    });
  }
}

function isNat64(address: string): boolean {
  return isSpecial(address, [NAT64]);
}

test('a refusal names the range and its source', () => {
  assert.deepEqual(named('127.0.0.1'), ['loopback', 'RFC 1122, section 3.2.1.3']);
  assert.deepEqual(named('255.255.255.255'), ['limited broadcast', 'RFC 919']);
  assert.deepEqual(named('::ffff:8.8.8.8'), ['IPv4-mapped', 'RFC 4291, section 2.5.5.2']);
  assert.deepEqual(named('::8.8.8.8'), ['IPv4-compatible', 'RFC 4291, section 2.5.5.1']);
  assert.deepEqual(named('2001:0:1::1'), ['Teredo', 'RFC 4380']);
  function named(address: string): unknown {
    const refusal = guard.refusal(address);
    return [refusal?.name, refusal?.source];
  }
});

const REFUSED = [
  '0.0.0.0', '127.0.0.1', '127.255.255.254', '10.1.2.3', '172.31.255.255', '192.168.1.1', '100.100.100.200', '169.254.169.254', '168.63.129.16', '192.0.0.192',
  '198.18.0.1', '198.19.255.255', '224.0.0.1', '239.255.255.255', '240.0.0.1', '::', '::1', 'fe80::1', 'fd00:ec2::254', 'fec0::1', 'ff02::1', '2002:808:808::1',
  '64:ff9b::7f00:1', '64:ff9b::10.0.0.1', '64:ff9b::169.254.169.254', '64:ff9b:1::808:808', '64:ff9b:1:7f00:1::', '::ffff:0:127.0.0.1', '100::1', '5f00::1', '3fff::1', '2001:db8::1',
  '2001:1::1', '1::1', '64:ff9a::1', '64:ff9c::1', '4000::1', 'fe00::1', 'fe80::1%eth0', 'localhost', '', '0x7f.1',
];
for (const address of REFUSED) test(`${JSON.stringify(address)} is refused`, () => assert.notEqual(guard.refusal(address), null));

const PUBLIC = ['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '168.63.129.15', '168.63.129.17', '172.15.255.255', '172.32.0.0', '198.17.255.255', '198.20.0.0', '223.255.255.255', '2000::1', '2001:200::1', '2001:4860:4860::8888', '2606:4700:4700::1111', '2a00:1450::1', '3ffe::1', '64:ff9b::8.8.8.8'];
for (const address of PUBLIC) test(`${address} is public`, () => assert.equal(guard.refusal(address), null));

test('every address of this host is refused', () => {
  const real = new AddressGuard();
  const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  assert(addresses.includes('127.0.0.1'));
  for (const address of addresses) {
    assert.notEqual(real.refusal(address), null, address);
    assert.equal(real.isOwn(address), true, address);
  }
});

test('a public address is refused while it is the host\'s own, also behind NAT64', async () => {
  let own = ['8.8.4.4', '2001:4860:4860::8844'];
  const moving = new AddressGuard(() => own);
  assert.equal(moving.refusal('8.8.4.4')?.name, 'an address of this host');
  assert.equal(moving.refusal('2001:4860:4860:0::8844')?.name, 'an address of this host');
  assert.equal(moving.refusal('64:ff9b::8.8.4.4')?.name, 'NAT64 of an address of this host');
  assert.equal(moving.refusal('8.8.8.8'), null);
  own = ['8.8.8.8'];
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  assert.equal(moving.refusal('8.8.4.4'), null, 'given up');
  assert.notEqual(moving.refusal('8.8.8.8'), null, 'newly taken');
});
