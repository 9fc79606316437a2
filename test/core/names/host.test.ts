import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalHost, hostInUrl, isAddress, socketAddress } from '../../../core/names/host.ts';

const CANONICAL: readonly (readonly [spelling: string, host: string])[] = [
  ['example.com', 'example.com'],
  ['EXAMPLE.Com', 'example.com'],
  ['example.com.', 'example.com'],
  ['localhost', 'localhost'],
  ['_dmarc.example.com', '_dmarc.example.com'],
  ['-odd-.example.com', '-odd-.example.com'],
  ['ex%61mple.com', 'example.com'],
  ['example%2Ecom', 'example.com'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['BÜCHER.example', 'xn--bcher-kva.example'],
  ['b%C3%BCcher.example', 'xn--bcher-kva.example'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
  ['faß.example', 'xn--fa-hia.example'],
  ['example。com', 'example.com'],
  ['ｅｘａｍｐｌｅ.com', 'example.com'],
  ['exam\u00adple.com', 'example.com'],
  ['3com.3com', '3com.3com'],
  ['192.0.2.1', '192.0.2.1'],
  ['192.0.2.1.', '192.0.2.1'],
  ['3221225985', '192.0.2.1'],
  ['0xC0000201', '192.0.2.1'],
  ['030000001001', '192.0.2.1'],
  ['0300.0.2.1', '192.0.2.1'],
  ['0xc0.0x0.0x2.0x1', '192.0.2.1'],
  ['192.0.513', '192.0.2.1'],
  ['192.513', '192.0.2.1'],
  ['127.1', '127.0.0.1'],
  ['0', '0.0.0.0'],
  ['１２７.0.0.1', '127.0.0.1'],
  ['::1', '::1'],
  ['[::1]', '::1'],
  ['2001:DB8:0:0::0001', '2001:db8::1'],
  ['[2001:db8::192.0.2.1]', '2001:db8::c000:201'],
  ['::ffff:192.0.2.1', '::ffff:c000:201'],
];

for (const [spelling, host] of CANONICAL) {
  test(`${JSON.stringify(spelling)} is the host ${host}`, () => {
    assert.equal(canonicalHost(spelling), host);
    assert.equal(canonicalHost(host), host, 'canonical hosts stay as they are');
  });
}

const NO_HOSTS = [
  '', '.', '..', 'a..b', '.example.com', 'example.com..', ' example.com', 'example.com ', 'exam ple.com', 'exa\tmple.com', 'exa\nmple.com', 'exa\0mple.com',
  'example.com/', 'user@example.com', 'example.com#x', 'example.com?x', 'exa\\mple.com', 'example.com:80', 'example%2Fcom', 'exa%00mple.com', 'exa%mple.com',
  '1.2.3.4.5', '256.1.1.1', '09.1.1.1', 'example.0x1g.1', '4294967296', '[::1', '::1]', '[[::1]]', '[example.com]', ':::', 'fe80::1%eth0', '[fe80::1%25eth0]',
  `${'a'.repeat(64)}.example`, `${'a.'.repeat(127)}a`, 'x'.repeat(10_000), '<script>', 'a|b',
];

for (const text of NO_HOSTS) {
  test(`${JSON.stringify(text.slice(0, 40))} is no host`, () => assert.equal(canonicalHost(text), null));
}

test('the longest name of DNS is a host, and one more character is none', () => {
  const longest = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
  assert.equal(longest.length, 253);
  assert.equal(canonicalHost(longest), longest);
  assert.equal(canonicalHost(`e${longest.slice(0, 63)}`), null);
  assert.equal(canonicalHost(`${longest}d`), null);
});

test('the quick way for plain names says what the URL parser says', () => {
  let seed = 12_345;
  const next = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let round = 0; round < 20_000; round += 1) {
    const name = Array.from({ length: 1 + next(12) }, () => 'ab019x-_.'[next(9)]).join('');
    const bare = URL.parse(`http://${name}/`)?.hostname.replace(/\.$/, '') ?? null;
    const expected = bare === null || bare === '' || bare.split('.').includes('') ? null : bare;
    assert.equal(canonicalHost(name), expected, name);
  }
});

test('an address is told from a name', () => {
  for (const address of ['192.0.2.1', '0.0.0.0', '::1', '2001:db8::1']) assert.equal(isAddress(address), true, address);
  for (const name of ['example.com', 'localhost', '1.example', '192.0.2.example']) assert.equal(isAddress(name), false, name);
});

test('IPv6 stands in brackets in a URL', () => {
  assert.equal(hostInUrl('::1'), '[::1]');
  assert.equal(hostInUrl('192.0.2.1'), '192.0.2.1');
  assert.equal(hostInUrl('example.com'), 'example.com');
});

test('an IPv4 peer of a dual-stack socket is IPv4', () => {
  assert.equal(socketAddress('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(socketAddress('192.0.2.1'), '192.0.2.1');
  assert.equal(socketAddress('2001:DB8::1'), '2001:db8::1');
});
