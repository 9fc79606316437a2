import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../../core/headers.ts';
import { servedAlternatives } from '../../../core/relay/alternatives.ts';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { ask } from '../http2/ask.ts';

const judged = (value: string, http3: boolean): [string | undefined, readonly string[]] => {
  const headers = new Headers(['server', 'x', 'Alt-Svc', value, 'vary', 'y']);
  const served = servedAlternatives(headers, http3);
  return served ? [served.headers.get('alt-svc'), served.removed] : [headers.get('alt-svc'), []];
};

test('alternatives over UDP are for clients that reach us by it', () => {
  const GOOGLE = 'h3=":443"; ma=2592000,h3-29=":443"; ma=2592000';
  assert.deepEqual(judged(GOOGLE, false), [undefined, ['h3=":443"; ma=2592000', 'h3-29=":443"; ma=2592000']]);
  assert.deepEqual(judged(GOOGLE, true), ['h3=":443"; ma=2592000', ['h3-29=":443"; ma=2592000']]);
  assert.deepEqual(judged('h3=":443"', true), ['h3=":443"', []]);
});

test('others are left as they stand', () => {
  for (const value of ['clear', 'h2="alt.test:443"; ma=60', 'h2=":8443", http%2F1.1=":80"', '', 'w="a,b\\"h3=";x="y"', 'h3x=":443"']) assert.deepEqual(judged(value, false), [value, []]);
  assert.deepEqual(judged('h2="a,b:443", quic=":443"; v="46,43"', false), ['h2="a,b:443"', ['quic=":443"; v="46,43"']]);
});

test('a long value with quotes and backslashes is read once, whatever it ends with', () => {
  for (const end of ['', '\\', '"']) {
    const value = `"${'\\"'.repeat(500_000)}${end}`;
    assert.deepEqual(judged(value, false), [value, []]);
  }
  assert.deepEqual(judged(`x="${'\\"'.repeat(500_000)},", h3=":443"`, false)[1], ['h3=":443"']);
});

test('a client of a proxy is not led around it, and the record says so', async () => {
  await using origin = await Origin.h2((stream) => {
    stream.respond({ ':status': 200, 'alt-svc': 'h3=":443"; ma=60, h2=":8443"' });
    stream.end('ok');
  });
  await using stage = await Stage.open({ 'api.test': origin });
  const session = await stage.h2('api.test');
  const { raw } = await ask(session, { ':path': '/' });
  assert.equal(raw[raw.indexOf('alt-svc') + 1], 'h2=":8443"');
  const record = await stage.record();
  assert.deepEqual(record.annotations['core'], { alt_svc_removed: ['h3=":443"; ma=60'] });
  assert.deepEqual(record.response?.headers.find(([name]) => name === 'alt-svc'), ['alt-svc', 'h3=":443"; ma=60, h2=":8443"']);
  session.destroy();
});
