import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePort, splitAuthority } from '../../../core/names/authority.ts';

const SPLIT: readonly (readonly [text: string, host: string, port: number | null])[] = [
  ['example.com', 'example.com', null],
  ['Example.COM.:8443', 'example.com', 8443],
  ['example.com:', 'example.com', null],
  ['example.com:1', 'example.com', 1],
  ['example.com:65535', 'example.com', 65_535],
  ['example.com:00080', 'example.com', 80],
  ['0x7f.1:80', '127.0.0.1', 80],
  ['[::1]', '::1', null],
  ['[::1]:443', '::1', 443],
  ['[2001:DB8::1]:', '2001:db8::1', null],
];

for (const [text, host, port] of SPLIT) {
  test(`${text} splits into ${host} and ${port}`, () => assert.deepEqual(splitAuthority(text), { host, port }));
}

for (const text of [
  '', ':', ':80', 'example.com:0', 'example.com:65536', 'example.com:8o', 'example.com:-1', 'example.com:+80', 'example.com: 80', 'example.com:80:80', 'example.com:000080',
  '::1', '::1:80', '[::1', '[::1]x', '[::1]x:80', '[::1]]:80', 'user@example.com', 'user:pw@example.com:80', 'http://example.com', 'example.com/path', 'example.com:80/path', 'a b:80', '[example.com]:80',
]) {
  test(`${JSON.stringify(text)} is no authority`, () => assert.equal(splitAuthority(text), null));
}

test('a port is decimal and 1 to 65535', () => {
  assert.equal(parsePort('443'), 443);
  for (const text of ['', '0', '65536', '123456', '4e2', '0x50', ' 80', '８０']) assert.equal(parsePort(text), null, text);
});
