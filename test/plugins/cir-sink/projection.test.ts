import { test } from 'node:test';
import assert from 'node:assert/strict';
import { signalsOf } from '../../../plugins/cir-sink/projection.ts';
import { deniedSample, flowSample } from './flow-sample.ts';

test('a flow becomes one signal that says what it was', () => {
  const [signal, ...others] = signalsOf(flowSample(7));
  assert.equal(others.length, 0);
  assert.deepEqual(
    { ...signal!, data: undefined, tags: JSON.parse(signal!.tags) },
    {
      id: 'sig_flow_job_sample_000007', type: 'network_flow', body: 'GET https://api.example.com/items/7?page=1 200, 12 B, 12 ms', domain: 'network', confidence: 1,
      source: 'mentu-interceptor', created_at: '2026-01-02T00:00:07.000Z', job: 'job_sample', tags: ['http', 'completed'], data: undefined,
    },
  );
  const data = JSON.parse(signal!.data) as Record<string, unknown>;
  for (const [name, value] of Object.entries({ method: 'GET', host: 'api.example.com', path: '/items/7', status: 200, sni: 'api.example.com', protocol: 'http/1.1', job: 'job_sample', flow: 'flow_job_sample_000007', outcome: 'completed', bytes_up: 120, bytes_down: 340, latency_ms: 12.4, response_size: 12, port: 443 })) {
    assert.equal(data[name], value, name);
  }
  assert.deepEqual(data['timing'], { dns: 1, connect: 2, tls: 3, send: 0.1, wait: 5, receive: 1, total: 12.4 });
});

test('the same record gives the same signals', () => {
  assert.deepEqual(signalsOf(deniedSample(3)), signalsOf(JSON.parse(JSON.stringify(deniedSample(3)))));
});

test('a violation is a signal of its own that refers to its flow', () => {
  const [flow, violation] = signalsOf(deniedSample(3));
  assert.equal(flow!.body, 'GET https://api.example.com/items/3?page=1 200, 12 B, 12 ms denied by deniedDomains: *.evil.test');
  assert.deepEqual([violation!.id, violation!.type, violation!.job], ['sig_vio_sample_3', 'sandbox_violation', 'job_sample']);
  assert.equal(violation!.body, 'a.evil.test denied by deniedDomains: *.evil.test: GET https://api.example.com/items/3?page=1');
  const data = JSON.parse(violation!.data) as Record<string, unknown>;
  assert.deepEqual(
    [data['violation'], data['flow'], data['flow_signal'], data['rule'], data['host'], data['code']],
    ['vio_sample_3', 'flow_job_sample_000003', flow!.id, 'deniedDomains: *.evil.test', 'a.evil.test', 'denied'],
  );
});

test('the step of a recipe is in the data and the tags of both signals', () => {
  const annotations = { recipe: { recipe: 'nightly', run: 'run_1', step: 'analyze\nall' } };
  for (const { data, tags } of signalsOf({ ...deniedSample(3), annotations })) {
    const { step, recipe, run } = JSON.parse(data) as Record<string, unknown>;
    assert.deepEqual([step, recipe, run], ['analyze\nall', 'nightly', 'run_1']);
    assert.equal((JSON.parse(tags) as string[]).at(-1), 'analyze\nall');
  }
  for (const { data, tags } of signalsOf(deniedSample(3))) assert.ok(!data.includes('"step"') && JSON.parse(tags).length === 2);
});

test('a connection without a request is told by its name and port', () => {
  const [signal] = signalsOf(flowSample(1, { kind: 'tls', request: null, response: null, http_version: null, outcome: 'failed', error: { code: 'client_rejected_certificate', message: '' } }));
  assert.equal(signal!.body, 'tls api.example.com:443 failed (client_rejected_certificate)');
});

test('times of another precision are brought to milliseconds, so that they sort as text', () => {
  assert.equal(signalsOf(flowSample(1, { timestamp: '2026-01-02T03:04:05Z' }))[0]!.created_at, '2026-01-02T03:04:05.000Z');
  assert.equal(signalsOf(flowSample(1, { timestamp: '2026-01-02T05:04:05.123456+02:00' }))[0]!.created_at, '2026-01-02T03:04:05.123Z');
});

test('a huge URL or annotation is shortened in the signal', () => {
  const request = { ...flowSample(1).request!, url: `https://api.example.com/${'x'.repeat(200_000)}` };
  const [signal] = signalsOf(flowSample(1, { request, annotations: { p: { note: 'y'.repeat(200_000), list: Array(50_000).fill('z') } } }));
  assert.ok(signal!.data.length < 64 * 1024);
  assert.ok(signal!.body.length <= 500);
  const data = JSON.parse(signal!.data) as Record<string, unknown>;
  assert.deepEqual([data['shortened'], data['status'], data['annotations']], [true, 200, undefined]);
});
