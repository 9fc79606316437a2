import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { matchesFilter } from '../../../core/filter/evaluator.ts';
import { FLOW_FIELD_NAMES, STEP_ANNOTATION, STEP_FIELD_NAMES, flowFields } from '../../../core/filter/flow-fields.ts';
import { parseFilter } from '../../../core/filter/parser.ts';
import type { FlowRecord } from '../../../core/record.ts';

const NO_BODY = { body: null, body_encoding: null, body_size: 0, body_sha256: null, body_truncated: false, body_file: null, body_decoded: [] } as const;

function record(changes: Partial<FlowRecord> = {}, url = 'https://user:pw@API.example.com:8443/v1/items?q=a?b'): FlowRecord {
  return {
    version: 1, id: 'flow_1', job_id: 'job_1', kind: 'http', timestamp: '2026-01-02T03:04:05.678Z', outcome: 'completed', error: null,
    request: { ...NO_BODY, body_decoded: [], method: 'GET', url, http_version: '2', headers: [['Content-Type', 'Text/Plain; charset=utf-8']], trailers: [] },
    response: { ...NO_BODY, body_decoded: [], body_size: 9, status: 201, status_text: '', http_version: '2', headers: [], trailers: [], informational: [] },
    latency_ms: 3, tls_sni: 'api.example.com', http_version: '2', tls: null, client: { address: '10.0.0.2', port: 5 },
    server: { name: 'api.example.com', address: '10.1.0.1', port: 8443 }, upstream: null, connection_id: 'c1', bytes: { up: 1, down: 2 },
    timing: { dns: null, connect: 1, tls: null, send: null, wait: null, receive: null, total: 3 }, policy: null, violation: null, annotations: {},
    ...changes,
  };
}

test('names what a person asks for', () => {
  const { scheme, host, port, path, status, protocol, request_content_type, content_type, response_size, timing } = flowFields(record());
  assert.deepEqual(
    { scheme, host, port, path, status, protocol, request_content_type, content_type, response_size, connect: timing['connect'] },
    { scheme: 'https', host: 'api.example.com', port: 8443, path: '/v1/items', status: 201, protocol: 'http/2', request_content_type: 'text/plain', content_type: undefined, response_size: 9, connect: 1 },
  );
});

for (const [url, host, path] of [
  ['http://[::1]:8080', '[::1]', '/'],
  ['http://[2001:db8::1]/x', '[2001:db8::1]', '/x'],
  ['https://h?x=/y://z', 'h', '/'],
  ['https://h:1/@a:b', 'h', '/@a:b'],
  ['*', 'api.example.com', undefined],
] as const) {
  test(`splits ${url}`, () => {
    const fields = flowFields(record({}, url));
    assert.deepEqual([fields.host, fields.path], [host, path]);
  });
}

test('a connection without a request is known by its best name', () => {
  const bare = { kind: 'tls', request: null, response: null, http_version: null } as const;
  assert.equal(flowFields(record({ ...bare })).host, 'api.example.com');
  assert.equal(flowFields(record({ ...bare, tls_sni: null, server: { name: null, address: '10.1.0.9', port: 1 } })).host, '10.1.0.9');
  assert.equal(flowFields(record({ ...bare })).protocol, 'tls');
});

test('plain annotations are fields of their own, and never take the name of another', () => {
  const annotations = JSON.parse('{"ane-classifier":{"class":"auth","anomaly":0.97,"status":1,"reasons":["x"],"__proto__":"y","constructor":"z"},"other":{"class":"late","step":"build"}}') as FlowRecord['annotations'];
  const fields = flowFields(record({ annotations }));
  assert.deepEqual([fields['class'], fields['anomaly'], fields['step'], fields.status, fields['reasons']], ['auth', 0.97, 'build', 201, undefined]);
  assert.equal(Object.getPrototypeOf(fields), Object.prototype);
  assert.ok(matchesFilter(parseFilter('class=auth and anomaly>=0.9 and annotations.other.class=late'), fields));
});

test('the step of a recipe is known by its name, whatever plugins annotate', () => {
  const fields = flowFields(record({ annotations: { other: { step: 'theirs', host: 'theirs' }, [STEP_ANNOTATION]: { recipe: 'nightly', run: 'run_1', step: 'build' } } }));
  assert.deepEqual(STEP_FIELD_NAMES.map((name) => fields[name]), ['nightly', 'run_1', 'build']);
  assert.equal(fields.host, 'api.example.com');
});

test('the list of names is that of the fields', () => {
  assert.deepEqual([...FLOW_FIELD_NAMES], Object.keys(flowFields(record())));
});

test('the documentation names every field', () => {
  const documented = readFileSync(join(import.meta.dirname, '../../../docs/cir.md'), 'utf8');
  for (const name of [...FLOW_FIELD_NAMES, ...STEP_FIELD_NAMES]) assert.ok(documented.includes(`\`${name}\``) || documented.includes(`\`${name}.`), name);
});
