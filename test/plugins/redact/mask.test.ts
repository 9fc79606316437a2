import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MaskWindow, maskText, type Finder } from '../../../plugins/redact/mask.ts';
import { RedactRules } from '../../../plugins/redact/rules.ts';

const rules = await RedactRules.of({ headers: [], fields: [], patterns: [], keep: [] });

const mask = (text: string, type?: string): string => maskText(text, rules.body(type)).text;
const FORM = 'application/x-www-form-urlencoded';

/** Assembled, so that nobody takes this file for a leak. */
const shape = (...parts: string[]): string => parts.join('');
const JWT = shape('eyJ', 'hbGciOiJIUzI1NiJ9', '.', 'eyJzdWIiOiIxMjM0NTY3ODkwIn0', '.', 'dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U');
const TOKENS = {
  jwt: JWT,
  'unsigned jwt': shape('eyJ', 'hbGciOiJub25lIn0', '.', 'eyJzdWIiOiIxIn0', '.'),
  jwe: shape('eyJ', 'hbGciOiJkaXIiLCJl', '.', 'bmMiOiJBMTI4', '.', 'AxY8DCtDaGlsbGljb3RoZQ', '.', 'KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY', '.', '9hH0vgRfYgPnAHOd8stkvw'),
  'AWS key id': shape('AK', 'IA', 'IOSFODNN7EXAMPLE'),
  GitHub: shape('gh', 'p_', '16C7e42F292c6912E7710c838347Ae178B4a'),
  'GitHub, fine-grained': shape('github', '_pat_', '11ABCDEFG0123456789_abcdefghijklmnopqrst'),
  GitLab: shape('gl', 'pat-', 'x1y2z3x1y2z3x1y2z3x1'),
  OpenAI: shape('sk', '-proj-', 'abcdefghijklmnopqrstuvwxyz0123456789'),
  Anthropic: shape('sk', '-ant-api03-', 'abcdefghijklmnop_qrstuvwxyz-0123456789'),
  Slack: shape('xo', 'xb-', '123456789012-abcdefGHIJKL'),
  'Slack webhook': shape('hooks.', 'slack.com/services/', 'T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX'),
  Google: shape('AI', 'za', 'SyA1234567890abcdefghijklmnopqrstuv'),
  'Google access token': shape('ya', '29.', 'a0AfH6SMBx1234567890abcdef'),
  Stripe: shape('sk', '_live_', '4eC39HqLyjWDarjtT1zdp7dc'),
  npm: shape('np', 'm_', 'abcdefghijklmnopqrstuvwxyz0123456789'),
  'private key': shape('-----BEGIN RSA PRI', 'VATE KEY-----\nMIIEpAIBAAKCAQEA1234\nabcd+/==\n-----END RSA PRI', 'VATE KEY-----'),
};

for (const [name, token] of Object.entries(TOKENS)) {
  test(`${name}: masked wherever it stands`, () => {
    for (const around of [(t: string) => t, (t: string) => `before ${t} after`, (t: string) => `"${t}"`, (t: string) => `['x', '${t}', 'y']`, (t: string) => `\u00e4${t}\n`, (t: string) => `x=${t},y`]) {
      assert.equal(mask(around(token)), around('[redacted]'));
    }
  });
}

test('what only resembles a token stays', () => {
  for (const text of ['eyJ.eyJ.eyJ', 'task-force-of-the-united-people', 'AKIAB', 'risk-averse-strategies-for-everyone', 'ghp_short', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----', 'https://example.com/a@b', 'mail me@example.com', 'bearer of bad news']) {
    assert.equal(mask(text), text);
  }
});

test('JSON: values of secret names at any depth, and what was valid stays valid', () => {
  const json = {
    user: 'ann', password: 'hunter2', nested: [{ deep: { api_key: 'k-1', count: 3 } }], token: 12345, secret: { a: 'x"}', b: ['y'] }, credentials: ['p', 'q'],
    access_token: null, has_password: true, empty_password: '', max_tokens: 100, quote: 'say "password": "x"', 'client secret': 'a\\"b\\\\', last: 'kept',
  };
  for (const text of [JSON.stringify(json), JSON.stringify(json, null, 2), JSON.stringify(json).replaceAll('":', '" : ')]) {
    const masked = JSON.parse(mask(text)) as Record<string, unknown>;
    assert.deepEqual({ ...masked, quote: null }, {
      ...json, password: '[redacted]', nested: [{ deep: { api_key: '[redacted]', count: 3 } }], token: '[redacted]', secret: '[redacted]', credentials: '[redacted]', 'client secret': '[redacted]', quote: null,
    });
    assert.ok(!JSON.stringify(masked.quote).includes('x'));
  }
});

test('JSON within strings of JSON, to several depths', () => {
  let value: unknown = { token: 'deep "quoted" \\ secret', user: 'ann' };
  for (let depth = 1; depth <= 3; depth += 1) {
    value = { depth, payload: JSON.stringify(value), tail: 'kept' };
    let masked = JSON.parse(mask(JSON.stringify(value))) as { payload: string; tail: string };
    for (let at = 1; at < depth; at += 1) {
      assert.equal(masked.tail, 'kept');
      masked = JSON.parse(masked.payload) as typeof masked;
    }
    assert.deepEqual(JSON.parse(masked.payload), { token: '[redacted]', user: 'ann' });
  }
});

test('JSON that is cut off, in lines, and in events', () => {
  assert.equal(mask('{"a":1,"password":"hunt'), '{"a":1,"password":"[redacted]"');
  assert.equal(mask('{"a":1,"secret":{"x":"y'), '{"a":1,"secret":"[redacted]"');
  assert.equal(mask('{"token":"a"}\n{"token":"b"}\n'), '{"token":"[redacted]"}\n{"token":"[redacted]"}\n');
  assert.equal(mask('data: {"token":"a"}\n\n'), 'data: {"token":"[redacted]"}\n\n');
  assert.equal(mask('5" disk {"password":"x"}'), '5" disk {"password":"[redacted]"}');
});

test('forms and queries', () => {
  assert.equal(mask('user=ann&password=hunt%20er2&x=1', FORM), 'user=ann&password=[redacted]&x=1');
  assert.equal(mask(`password=a;b"c'd<e&x=1`, FORM), 'password=[redacted]&x=1');
  assert.equal(mask('user%5Bpassword%5D=x&user[name]=ann', FORM), 'user%5Bpassword%5D=[redacted]&user[name]=ann');
  assert.equal(mask('grant_type=authorization_code&code=4%2F0AX4XfWh9fK2bC7dE1mN&client_secret=s', FORM), 'grant_type=authorization_code&code=[redacted]&client_secret=[redacted]');
  assert.equal(mask('password=&token=t', FORM), 'password=&token=[redacted]');
  assert.equal(mask('see <a href="https://h.test/p?token=abc&page=2">'), 'see <a href="https://h.test/p?token=[redacted]&page=2">');
  assert.equal(mask('password=x'), 'password=[redacted]');
});

test('addresses with user and password', () => {
  assert.equal(mask('clone https://ann:hunter2@git.test/repo.git now'), 'clone https://[redacted]@git.test/repo.git now');
  assert.equal(mask('postgres://app:p@ss@db:5432/x'), 'postgres://[redacted]@db:5432/x');
  assert.equal(mask('"https:\\/\\/ann:pw@h\\/"'), '"https:\\/\\/[redacted]@h\\/"');
});

test('source, logs, YAML, header dumps, XML', () => {
  assert.equal(mask('const apiKey = "abcd1234";'), 'const apiKey = "[redacted]";');
  assert.equal(mask("password: 'two words, and more'\nuser: ann"), "password: '[redacted]'\nuser: ann");
  assert.equal(mask('AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY\nX=1'), 'AWS_SECRET_ACCESS_KEY=[redacted]\nX=1');
  assert.equal(mask('> Authorization: Basic YW5uOmh1bnRlcjI=\r\n'), '> Authorization: Basic [redacted]\r\n');
  assert.equal(mask('> Authorization: Bearer abc.def-ghi\r\n'), '> Authorization: Bearer [redacted]\r\n');
  assert.equal(mask('<s:Envelope><wsse:Password Type="t">hunter2</wsse:Password><user>ann</user></s:Envelope>'), '<s:Envelope><wsse:Password Type="t">[redacted]</wsse:Password><user>ann</user></s:Envelope>');
  assert.equal(mask('<token><![CDATA[a b]]></token>').includes('a b'), false);
  assert.equal(mask('Enter your password: done. Tokens: 12'), 'Enter your password: done. Tokens: 12');
});

test('multipart forms', () => {
  const part = (headers: string, value: string): string => `--XX\r\nContent-Disposition: form-data; ${headers}\r\n\r\n${value}\r\n`;
  const body = (password: string): string => part('name="user"', 'ann') + part('name="password"', password) + part('filename="a.bin"; name="file"\r\nContent-Type: image/png', '\u0089PNG\r\n--x') + '--XX--\r\n';
  assert.equal(mask(body('hunter2\r\n--and more'), 'multipart/form-data; boundary=XX'), body('[redacted]'));
  assert.equal(mask(body('hunter2').slice(0, body('hunter2').indexOf('ter2')), 'multipart/form-data; boundary="XX"').endsWith('[redacted]'), true);
});

test('masking twice changes nothing more', () => {
  const text = `{"password":"x","a":"${JWT}"} token=abcdefg&password=x https://a:b@c/ <password>x</password> secret: 'abcdef'`;
  assert.equal(mask(mask(text)), mask(text));
});

test('a text in chunks of any size is masked as it is in one', () => {
  const text = `{"user":"ann","password":"${'p'.repeat(300)}","list":[1,2],"secret":{"a":[{"b":"c"}]}} ${Object.values(TOKENS).join(' | ')} ?token=${'t'.repeat(50)}&x=1 <password>p</password> api_key = 'abcdefgh'\n`.repeat(40);
  const whole = mask(text);
  assert.ok(!whole.includes('ppp') && !whole.includes('ttt'));
  for (const size of [1, 7, 100, 1000, 4096, 16_384, 40_000]) {
    const input = size === 1 ? text.slice(0, 20_000) : text;
    const windows = rules.body(undefined).map((finder) => new MaskWindow(finder));
    const push = (chunk: string, last: boolean): string => windows.reduce((part, window) => window.push(part, last), chunk);
    let output = '';
    for (let at = 0; at < input.length; at += size) output += push(input.slice(at, at + size), false);
    output += push('', true);
    assert.equal(output, size === 1 ? mask(input) : whole, `chunks of ${size}`);
  }
});

test('in chunks, a value longer than may be held is an error and not a leak', () => {
  const window = new MaskWindow(rules.body(undefined)[0] as Finder);
  const output: string[] = [];
  assert.throws(() => {
    output.push(window.push('{"password":"', false));
    for (let i = 0; i < 40; i += 1) output.push(window.push('p'.repeat(64 * 1024), false));
  }, /longer than/);
  assert.ok(!output.join('').includes('p'.repeat(20)));
});

test('no text makes masking slow', () => {
  const fill = (part: string, size = 256 * 1024): string => part.repeat(Math.ceil(size / part.length));
  const hostile = [
    'a', ' ', '"', '\\', '\\"', '{', '[', '<', '=', '&', '-', 'eyJ', '-eyJ', 'eyJaaaaaaaaa.', 'eyJaaaaaaaaa.bbbbbbbbbb.', 'a=', 'key=', 'password=', 'password:', '"key":"', '\\"key\\":\\"',
    '"password":', '"password":{', '"password":[', '\\"password\\":{', '"password":"\\', '{"a":', '-----BEGIN ', '-----BEGIN PRIVATE KEY-----', 'AKIA', 'sk-', 'bearer ', 'Bearer a', 'http://a', 'http://a:', '<a ', '<password>', '<password><![CDATA[',
    '?a', '&password', 'Content-Disposition: form-data; name=', ';name=', '\r\n', 'content-disposition: x; name="password"\r\n\r\n\r\n', 'content-disposition:;name=;name=\r\na:b\r\n', '%', 'user%5B', '\u00e9', '1//0', 'xoxb-1-', 'hooks.slack.com/services/',
  ].map((part) => fill(part));
  const MEGABYTE = 1024 * 1024;
  hostile.push(`-----BEGIN PRIVATE KEY-----${fill('A', 4 * MEGABYTE)}`, fill('{"id":1,"name":"x y","url":"https://h.test/a?b=c"},', MEGABYTE), fill('a b, c. ', MEGABYTE), `eyJ${fill('a')}`, `eyJaaaaaaaa.${fill('a')}.`, `"password":"${fill('\\"')}`, `http://${fill('a')}@`, `bearer ${fill('a/')}`, `"${fill('a')}":"x"`, `${fill('\\')}"password":"x"`, `{"secret":${fill('{"a":[')}`);
  for (const text of hostile) {
    for (const type of [undefined, FORM, 'multipart/form-data; boundary=x']) {
      const started = performance.now();
      mask(text, type);
      const spent = performance.now() - started;
      // Linear work takes tens of milliseconds; quadratic work would take minutes.
      assert.ok(spent < 5000, `${text.slice(0, 40)}… as ${type}: ${spent} ms`);
    }
  }
});
