import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MentuError } from '../../../core/errors.ts';
import { HostPatternList, parseHostPattern } from '../../../core/names/pattern.ts';

const MATCHES: readonly (readonly [pattern: string, host: string, port: number, matches: boolean])[] = [
  ['example.com', 'example.com', 443, true],
  ['example.com', 'www.example.com', 443, false],
  ['example.com', 'notexample.com', 443, false],
  ['Example.COM.', 'example.com', 443, true],
  ['bücher.example', 'xn--bcher-kva.example', 443, true],
  ['*.example.com', 'www.example.com', 443, true],
  ['*.example.com', 'a.b.c.example.com', 443, true],
  ['*.example.com', 'example.com', 443, false],
  ['*.example.com', 'notexample.com', 443, false],
  ['*.bücher.example', 'a.xn--bcher-kva.example', 443, true],
  ['*.com', 'example.com', 443, true],
  ['example.com:8443', 'example.com', 8443, true],
  ['example.com:8443', 'example.com', 443, false],
  ['*.example.com:8443', 'a.example.com', 8443, true],
  ['*.example.com:8443', 'a.example.com', 80, false],
  ['*', 'example.com', 443, true],
  ['*', '192.0.2.1', 80, true],
  ['*:443', 'example.com', 443, true],
  ['*:443', 'example.com', 80, false],
  ['192.0.2.1', '192.0.2.1', 80, true],
  ['0xC0000201', '192.0.2.1', 80, true],
  ['192.0.2.1:80', '192.0.2.1', 81, false],
  ['[2001:DB8::1]', '2001:db8::1', 80, true],
  ['2001:db8:0::1', '2001:db8::1', 80, true],
  ['[2001:db8::1]:443', '2001:db8::1', 443, true],
  ['[2001:db8::1]:443', '2001:db8::1', 80, false],
];

for (const [pattern, host, port, matches] of MATCHES) {
  test(`${pattern} ${matches ? 'holds' : 'does not hold'} for ${host} at ${port}`, () => {
    assert.equal(new HostPatternList([pattern]).match(host, port), matches ? pattern : null);
  });
}

const INVALID: readonly (readonly [pattern: string, reason: RegExp])[] = [
  ['', /empty/],
  [' ', /empty/],
  ['exam ple.com', /white space/],
  ['https://example.com', /scheme/],
  ['example.com/path', /path/],
  ['example.com?x', /path/],
  ['user@example.com', /user information/],
  ['*foo.com', /whole first label/],
  ['foo.*.com', /whole first label/],
  ['*.*.com', /whole first label/],
  ['**', /whole first label/],
  ['*.', /no host/],
  ['*.192.0.2.1', /no subdomains/],
  ['example.com:0', /port "0"/],
  ['example.com:65536', /port "65536"/],
  ['example.com:http', /port "http"/],
  ['example.com:', /port ""/],
  ['example..com', /is no host/],
  ['1.2.3.4.5', /is no host/],
  ['[fe80::1%eth0]', /is no host/],
  ['10.0.0.0/8', /path/],
];

for (const [pattern, reason] of INVALID) {
  test(`${JSON.stringify(pattern)} is refused by name`, () => {
    assert.throws(() => parseHostPattern(pattern, { file: 'profile.json', line: 3 }), (error: unknown) => {
      assert(error instanceof MentuError);
      assert.equal(error.code, 'host_pattern_invalid');
      assert.equal(error.params['pattern'], pattern);
      assert.match(String(error.params['reason']), reason);
      assert.deepEqual(error.place, { file: 'profile.json', line: 3 });
      return true;
    });
  });
}

test('the most specific pattern answers, and the one with the port first', () => {
  const list = new HostPatternList(['*', '*.com', '*.example.com', 'www.example.com', 'www.example.com:8443']);
  assert.equal(list.match('www.example.com', 8443), 'www.example.com:8443');
  assert.equal(list.match('www.example.com', 443), 'www.example.com');
  assert.equal(list.match('a.example.com', 443), '*.example.com');
  assert.equal(list.match('example.com', 443), '*.com');
  assert.equal(list.match('example.org', 443), '*');
  assert.equal(list.size, 5);
});

test('a more specific pattern of another port does not hide a wider one', () => {
  const list = new HostPatternList(['a.example.com:1', '*.example.com:2', '*.com:3']);
  assert.equal(list.match('a.example.com', 1), 'a.example.com:1');
  assert.equal(list.match('a.example.com', 2), '*.example.com:2');
  assert.equal(list.match('a.example.com', 3), '*.com:3');
  assert.equal(list.match('a.example.com', 4), null);
});

test('a pattern is found for every port, for some port, and for a named one', () => {
  const list = new HostPatternList(['a.example:1', 'b.example', '*.c.example:3', '*.c.example']);
  assert.equal(list.matchEveryPort('a.example'), null);
  assert.equal(list.matchSomePort('a.example'), 'a.example:1');
  assert.equal(list.matchNamedPort('a.example', 1), 'a.example:1');
  assert.equal(list.matchEveryPort('b.example'), 'b.example');
  assert.equal(list.matchNamedPort('b.example', 1), null);
  assert.equal(list.matchNamedPort('x.c.example', 3), '*.c.example:3');
  assert.equal(list.matchEveryPort('x.c.example'), '*.c.example');
  assert.equal(list.matchSomePort('d.example'), null);
});

test('an empty list matches nothing', () => {
  const list = new HostPatternList([]);
  assert.equal(list.size, 0);
  assert.equal(list.match('example.com', 443), null);
});
