/** Taps that decide: what they may say, and that whatever else they say is a denial. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Decision } from '../../core/index.ts';
import { Stage } from '../stage/captured.ts';
import { exchange } from './tapped-exchange.ts';

describe('a tap that decides', () => {
  for (const [what, decide] of [
    ['throws', () => { throw new Error('boom'); }],
    ['throws no error', () => { throw 'boom'; }],
    ['returns an action that there is not', () => ({ action: 'denied', rule: 'x' })],
    ['returns true', () => true],
    ['returns a text', () => 'deny'],
    ['returns no rule', () => ({ action: 'allow' })],
    ['returns a promise', async () => ({ action: 'allow', rule: 'x' })],
    ['returns a promise that rejects', async () => { throw new Error('late'); }],
    ['names an error that there is not', () => ({ action: 'deny', rule: 'x', code: 'nope' })],
    ['answers with a status that there is not', () => ({ action: 'answer', rule: 'x', status: 99 })],
    ['answers with fields that break the head', () => ({ action: 'answer', rule: 'x', status: 200, headers: [['a', 'b\r\nc: d']] })],
    ['answers with fields that are none', () => ({ action: 'answer', rule: 'x', status: 200, headers: { a: 'b' } })],
    ['answers with a body that is none', () => ({ action: 'answer', rule: 'x', status: 200, body: 5 })],
  ] as const) {
    for (const hook of ['onConnect', 'onRequest'] as const) {
      test(`in ${hook} and ${what} has denied`, async () => {
        const { head, body, record, reached } = await exchange((hooks) => hooks[hook].tap('test', decide as unknown as () => Decision));
        assert.match(head, /^HTTP\/1.1 403 /);
        assert.match(head, /x-mentu-violation: vio_/);
        assert.equal(JSON.parse(body).error, 'decision_failed');
        assert.equal(record.outcome, 'denied');
        assert.equal(record.error?.code, 'decision_failed');
        assert.match(record.violation?.rule ?? '', /^test failed: /);
        assert.deepEqual(reached, []);
      });
    }
  }

  test('in a promise that rejects has denied', async () => {
    const { head, record, reached } = await exchange((hooks) => hooks.onRequest.tapPromise('test', async () => {
      await sleep(10);
      throw new Error('late');
    }));
    assert.match(head, /^HTTP\/1.1 403 /);
    assert.match(record.violation?.rule ?? '', /late/);
    assert.deepEqual(reached, []);
  });

  test('in onRequest cannot pass through', async () => {
    const { record } = await exchange((hooks) => hooks.onRequest.tap('test', () => ({ action: 'passthrough', rule: 'x' })));
    assert.equal(record.error?.code, 'decision_failed');
  });

  test('that denies ends the decision, and the record says by whom', async () => {
    let later = 0;
    const { body, record, reached } = await exchange((hooks) => {
      hooks.onRequest.tap('test', () => ({ action: 'allow', rule: 'it may' }));
      hooks.onRequest.tap('test', () => ({ action: 'deny', rule: 'it may not', host: 'api.test' }));
      hooks.onRequest.tap('test', () => void later++);
    });
    assert.equal(later, 0);
    assert.deepEqual(reached, []);
    assert.deepEqual(JSON.parse(body), { error: 'denied', rule: 'it may not', host: 'api.test', violation: record.violation?.id });
    assert.deepEqual(record.policy, { decision: 'deny', by: 'test', rule: 'it may not' });
    assert.equal(record.request?.body, 'body', 'what a denied request wanted to send is recorded');
  });

  test('that allows is noted, and the last one counts', async () => {
    const { record } = await exchange((hooks) => {
      hooks.onConnect.tap('test', () => ({ action: 'allow', rule: 'connect' }));
      hooks.onRequest.tapPromise('test', async () => ({ action: 'allow', rule: 'request', wouldDeny: true }));
      hooks.onRequest.tap('test', () => undefined);
    });
    assert.deepEqual(record.policy, { decision: 'allow', by: 'test', rule: 'request', would_deny: true });
  });

  test('that answers keeps the upstream out of it', async () => {
    const { head, body, record, reached } = await exchange((hooks) =>
      hooks.onRequest.tap('test', () => ({ action: 'answer', rule: 'a mock', status: 418, headers: [['X-Mock', 'yes'], ['content-type', 'text/plain'], ['Transfer-Encoding', 'chunked']], body: 'short and stout' })));
    assert.match(head, /^HTTP\/1.1 418 I'm a Teapot\r\nX-Mock: yes\r\n/);
    assert.doesNotMatch(head, /transfer-encoding/i);
    assert.equal(body, 'short and stout');
    assert.deepEqual(reached, []);
    assert.equal(record.outcome, 'completed');
    assert.equal(record.policy?.decision, 'answer');
    assert.equal(record.response?.body, 'short and stout');
    assert.equal(record.upstream, null);
  });

  test('in onConnect answers every request of the connection', async () => {
    await using stage = await Stage.open({ 'api.test': '127.0.0.1:1' }, { tap: (hooks) => hooks.onConnect.tap('test', () => ({ action: 'answer', rule: 'a mock', status: 200, body: 'mocked' })) });
    const client = await stage.tlsWire('api.test');
    for (let i = 0; i < 2; i++) {
      client.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n');
      assert.equal((await client.takeResponse()).body, 'mocked');
    }
    await stage.recorded(2);
  });

  test('may take its time, and the body waits', async () => {
    const { body, reached } = await exchange((hooks) => hooks.onRequest.tapPromise('test', () => sleep(50)));
    assert.equal(body, 'first second');
    assert.match(reached[0]!, / body$/);
  });
});
