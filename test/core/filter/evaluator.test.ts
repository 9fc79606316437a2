import { test } from 'node:test';
import assert from 'node:assert/strict';
import { matchesFilter } from '../../../core/filter/evaluator.ts';
import { parseFilter } from '../../../core/filter/parser.ts';

const flow = {
  status: 404,
  latency_ms: 12.5,
  method: 'GET',
  host: 'api.Example.com',
  path: '/v1/items/7',
  http_version: '1.1',
  reused: false,
  empty: '',
  gone: null,
  tags: ['http', 'completed', 7, null],
  timing: { wait: 3 },
  annotations: { 'ane-classifier': { class: 'auth', anomaly: 0.91, reasons: ['secret-looking value'] } },
};

const holds = (source: string): boolean => matchesFilter(parseFilter(source), flow);

/** Expressions that hold; the negation of each is checked not to. */
const TRUE = [
  'status=404', 'status>=400 and status<500', 'status!=200', 'status=404.0', 'status>403.5', 'status~40', 'latency_ms<=12.5',
  'method=GET', 'method!=get', 'method~get', 'host~example', 'host~*.example.com', 'host~api*com', 'host~*', 'path~/v1/*/7', 'path~*items*',
  'http_version=1.1', 'http_version="1.1"', 'reused=false', 'reused!=true', 'empty=""', 'empty~""',
  'gone=null', 'missing=null', 'status!=null', 'timing!=null', 'missing!=1', 'not missing>1',
  'tags=http', 'tags=7', 'tags~complet', 'tags!=tls', 'tags>6', 'timing.wait=3', 'method>=F', 'method<"H"',
  'annotations.ane-classifier.class=auth', 'annotations.ane-classifier.reasons~secret', 'annotations.ane-classifier.anomaly>=0.9',
  'status=200 or (method=GET and not reused=true)',
];
const FALSE = [
  'method=get', 'status="404"', 'status>"3"', 'method>5', 'http_version>1', 'latency_ms~12', 'timing=3', 'timing~3', 'status.x=404',
  'tags=null', 'constructor!=null', '__proto__!=null', 'host~api*api*', 'path~*/v1', 'reused=null', 'reused="false"',
  'host~a*b*c*d', 'empty~x', 'missing=""', 'gone>0', 'http_version=1.10',
];

for (const source of TRUE) {
  test(`holds: ${source}`, () => {
    assert.equal(holds(source), true);
    assert.equal(holds(`not (${source})`), false);
  });
}
for (const source of FALSE) {
  test(`does not hold: ${source}`, () => {
    assert.equal(holds(source), false);
    assert.equal(holds(`not (${source})`), true);
  });
}

test('texts are ordered by code point', () => {
  const order = (field: string, value: string) => matchesFilter(parseFilter(`x<"${value}"`), { x: field });
  assert.equal(order('\uffff', '\u{1f600}'), true);
  assert.equal(order('\u{1f600}', '\uffff'), false);
  assert.equal(order('\u{1f600}', '\u{1f601}'), true);
  assert.equal(order('a', 'ab'), true);
});
