/** Hooks as a plugin meets them: in their order, deciding or observing, failing closed or alone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineCapturePlugin, PluginTrial } from '../../core/index.ts';
import { CaptureHooks } from '../../core/hooks.ts';
import { Stage } from '../stage/captured.ts';
import { Origin } from '../stage/origin.ts';
import { exchange } from './tapped-exchange.ts';

describe('an edit', () => {
  test('of the request reaches the upstream and the record', async () => {
    const { reached, record } = await exchange((hooks) => hooks.onRequest.tap('test', ({ request }) => {
      request.method = 'PUT';
      request.path = '/y?z';
      request.authority = 'edited.test';
      request.headers.set('X-Added', '1');
    }));
    assert.match(reached[0]!, /^PUT \/y\?z Host\|edited\.test\|Content-Length\|4\|X-Added\|1 body$/);
    assert.equal(record.request?.method, 'PUT');
    assert.equal(record.request?.url, 'http://edited.test/y?z');
  });

  for (const [what, edit] of [
    ['a method', (request: { method: string }) => (request.method = 'GET / HTTP/1.1\r\nX:')],
    ['a path', (request: { path: string }) => (request.path = '/a b\r\n')],
    ['an authority', (request: { authority: string }) => (request.authority = 'a/b')],
    ['a field', (request: { headers: { set(name: string, value: string): void } }) => request.headers.set('a', 'b\r\nc: d')],
  ] as const) {
    test(`to ${what} that is none is refused`, async () => {
      const { head, record, reached } = await exchange((hooks) => hooks.onRequest.tap('test', ({ request }) => void edit(request as never)));
      assert.match(head, /^HTTP\/1.1 403 /);
      assert.equal(record.error?.code, 'decision_failed');
      assert.match(record.error?.message ?? '', /test/);
      assert.deepEqual(reached, []);
    });
  }

  test('of the response reaches the client, before its body', async () => {
    const { head, body, record } = await exchange((hooks) => hooks.onResponse.tapPromise('test', async ({ response }) => {
      await sleep(40);
      response!.headers.set('x-origin', '2');
      response!.headers.append('x-added', 'yes');
    }));
    assert.match(head, /x-origin: 2\r\n[^]*x-added: yes\r\n/);
    assert.equal(body, 'first second');
    assert.deepEqual(record.response?.headers.filter(([name]) => name.startsWith('x-')), [['x-origin', '2'], ['x-added', 'yes']]);
  });
});

describe('a tap that observes', () => {
  test('fails alone, and is named', async () => {
    const { body, stage } = await exchange((hooks) => {
      hooks.onResponse.tap('test', () => { throw new Error('one'); });
      hooks.onResponse.tapPromise('test', async () => { throw new Error('two'); });
      hooks.onResponse.tap('test', (async () => { throw new Error('three'); }) as unknown as () => void);
      hooks.onFlowComplete.annotate.tap('test', () => { throw new Error('four'); });
      hooks.onFlowComplete.redact.tapPromise('test', async () => { throw new Error('five'); });
      hooks.onFlowComplete.sink.tap('test', () => { throw new Error('six'); });
      hooks.onClose.tap('test', () => { throw new Error('seven'); });
    });
    assert.equal(body, 'first second');
    assert.deepEqual(stage.failures, [
      'test onResponse: one',
      'test onResponse: two',
      'test onResponse: three',
      'test onFlowComplete.annotate: four',
      'test onFlowComplete.redact: five',
      'test onFlowComplete.sink: six',
      'test onClose: seven',
    ]);
  });

  test('sees each chunk as it passes, and fails alone, and is named', async () => {
    const seen: string[] = [];
    const { body, stage } = await exchange((hooks) => {
      hooks.onRequest.tap('test', (flow) => flow.observe('request', (chunk) => void seen.push(`up ${Buffer.from(chunk)}`)));
      hooks.onResponse.tap('test', (flow) => {
        flow.observe('response', (chunk) => void seen.push(`down ${Buffer.from(chunk)}`));
        flow.observe('response', () => { throw new Error('cannot look'); });
      });
    });
    assert.equal(body, 'first second');
    assert.deepEqual(seen, ['up body', 'down first ', 'down second']);
    assert.deepEqual(new Set(stage.failures), new Set(['test observe: cannot look']));
  });
});

describe('a finished flow', () => {
  test('goes through annotate, redact and sink in this order, and is frozen before the last', async () => {
    const order: string[] = [];
    const { record, stage } = await exchange((hooks) => {
      hooks.onFlowComplete.sink.tap('test', ({ record: seen, line }) => {
        order.push(`sink ${Object.isFrozen(seen)} ${Object.isFrozen(seen.request!.headers)} ${Object.isFrozen(seen.annotations)} ${JSON.parse(line).request.body}`);
        seen.outcome = 'failed';
      });
      hooks.onFlowComplete.redact.tapPromise('test', async ({ record: seen }) => {
        await sleep(10);
        order.push(`redact ${seen.request!.body}`);
        seen.request!.body = 'masked';
      });
      hooks.onFlowComplete.annotate.tapPromise('test', async ({ record: seen }) => {
        await sleep(10);
        order.push(`annotate ${seen.request!.body}`);
        seen.annotations['test'] = { bytes: new Uint8Array(3), of: 'something' };
      });
    });
    assert.deepEqual(order, ['annotate body', 'redact body', 'sink true true true masked']);
    assert.equal(record.request?.body, 'masked');
    assert.equal(record.outcome, 'completed');
    assert.match(stage.failures[0] ?? '', /^test onFlowComplete\.sink: .*read only/);
  });

  test('has its line also where an annotation is no JSON', async () => {
    const { record } = await exchange((hooks) => hooks.onFlowComplete.annotate.tap('test', ({ record: seen }) => {
      seen.annotations['test'] = { big: 5n };
    }));
    assert.equal(record.outcome, 'completed');
    assert.match(String(record.annotations['core']?.['annotations_left_out']), /BigInt/);
  });

  test('may be changed though an earlier flow of its connection is frozen', async () => {
    await using origin = await Origin.https((_request, response) => response.end('ok'));
    await using stage = await Stage.open({ 'api.test': origin }, {
      tap: (hooks) => {
        hooks.onConnect.tap('test', (connection) => void (connection.annotations['test'] = { list: [1] }));
        hooks.onRequest.tap('test', (flow) => void (flow.annotations['test'] = { seen: true }));
        hooks.onFlowComplete.redact.tap('test', ({ record }) => {
          record.client.address = 'masked';
          record.tls!.ja4 = 'masked';
          record.upstream!.tls!.peer_certificate!.subject = 'masked';
          record.annotations['test']!['more'] = 1;
        });
      },
    });
    const client = await stage.tlsWire('api.test');
    for (let i = 0; i < 2; i++) {
      client.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n');
      await client.takeResponse();
    }
    const records = await stage.recorded(2);
    assert.deepEqual(stage.failures, []);
    for (const record of records) {
      assert.equal(record.client.address, 'masked');
      assert.deepEqual(record.annotations['test'], { list: [1], seen: true, more: 1 });
    }
  });
});

describe('hooks', () => {
  test('that there are not are refused by name', () => {
    const hooks = new CaptureHooks(() => {}).forPlugin('odd') as unknown as Record<string, Record<string, unknown>>;
    assert.throws(() => hooks['onReqest'], { code: 'unknown_hook', message: /odd.*onReqest/ });
    assert.throws(() => hooks['onFlowComplete']!['sinks'], { code: 'unknown_hook', message: /onFlowComplete\.sinks/ });
  });

  test('that nobody taps cost no record', async () => {
    const hooks = new CaptureHooks(() => {});
    assert.equal(hooks.recordIsWanted, false);
    assert.equal(hooks.responseIsTapped, false);
    hooks.forPlugin('test').onFlowComplete.sink.tap('test', () => {});
    assert.equal(hooks.recordIsWanted, true);
    await hooks.start();
    await hooks.close();
  });

  test('of the start end it where they fail', async () => {
    const hooks = new CaptureHooks(() => {});
    hooks.forPlugin('test').onStart.tap('test', () => { throw new Error('not today'); });
    await assert.rejects(hooks.start(), /not today/);
  });

  test('give a plugin annotations of its own, which must be JSON', async () => {
    const plugin = defineCapturePlugin({
      name: 'noting',
      options: { type: 'object' } as const,
      setup({ hooks, annotate }) {
        const kept = { list: ['a'] };
        hooks.onRequest.tap('noting', (flow) => {
          annotate(flow, kept);
          kept.list.push('b');
        });
        hooks.onRequest.tap('noting', (flow) => annotate(flow, { big: 5n }));
      },
    });
    const trial = await PluginTrial.of(plugin, {});
    const { verdict, record } = await trial.exchange({ url: 'https://api.test/' });
    assert.deepEqual(record.annotations['noting'], { list: ['a'] });
    assert.equal(verdict?.action, 'deny');
  });
});
