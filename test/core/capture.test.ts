/** A capture as a whole: its start, its end, and what it writes. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Capture, CertificateAuthority, Dialler } from '../../core/capture.ts';
import { flowRecordSchema } from '../../core/index.ts';
import { Validator } from '@cfworker/json-schema';
import { Stage } from '../stage/captured.ts';
import { Arrivals, Origin } from '../stage/origin.ts';
import { soon, until } from '../stage/wire.ts';

const GET = 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n';

describe('a capture', () => {
  test('does not start where a plugin does not', async () => {
    await assert.rejects(Stage.open({}, { tap: (hooks) => hooks.onStart.tapPromise('test', async () => { throw new Error('not today'); }) }), /not today/);
  });

  test('is closed once, with its plugins, after the last record', async () => {
    const order: string[] = [];
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    const stage = await Stage.open({ 'api.test': origin }, {
      tap: (hooks) => {
        hooks.onFlowComplete.sink.tapPromise('test', async ({ record }) => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          order.push(record.outcome);
        });
        hooks.onClose.tap('test', () => void order.push('closed'));
      },
    });
    const client = await stage.wire('api.test');
    client.write(GET);
    const upstream = await arrivals.next();
    await upstream.take('\r\n\r\n');
    await Promise.all([stage.capture.close(), stage.capture.close()]);
    assert.deepEqual(order, ['aborted', 'closed']);
    await until('both ends', () => client.ended && upstream.ended);
    assert.equal(stage.records[0]?.error?.code, 'shutting_down');
    await stage.close();
  });

  test('ends though a sink never lets go of a record', { timeout: 90_000 }, async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    await using origin = await Origin.http((_request, response) => response.end('ok'));
    const stage = await Stage.open({ 'api.test': origin }, { tap: (hooks) => hooks.onFlowComplete.sink.tapPromise('test', () => new Promise<void>(() => {})) });
    const client = await stage.wire('api.test');
    client.write(GET);
    await client.takeResponse();
    await until('the record', () => stage.records.length === 1);
    let closed = false;
    const closing = stage.capture.close().then(() => (closed = true));
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(closed, false);
    t.mock.timers.tick(30_000);
    t.mock.timers.tick(30_000);
    await soon('the end', closing);
    assert.match(stage.failures.join(), /kept 1 records/);
    await stage.close();
  });

  test('that nobody records keeps nothing', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mentu-capture-'));
    const capture = new Capture({
      job: { id: 'job_bare', directory },
      authority: CertificateAuthority.create('bare'),
      dialler: new Dialler(),
      trustedCAs: [],
      bodies: { keep: 'whole', limit: 1000, quota: 1000 },
      onPluginFailure: assert.fail,
      warn: assert.fail,
    });
    await capture.start();
    await capture.close();
    assert.equal(existsSync(join(directory, 'bodies')), false);
    rmSync(directory, { recursive: true });
  });

  test('writes whole bodies beside the record, for its owner alone', async () => {
    const body = 'x'.repeat(5000);
    await using origin = await Origin.http((_request, response) => response.end(body));
    await using stage = await Stage.open({ 'api.test': origin }, { bodies: { limit: 100 } });
    const client = await stage.wire('api.test');
    client.write(GET);
    assert.equal((await client.takeResponse()).body.length, 5000);
    const { response } = await stage.record();
    assert.equal(response?.body, 'x'.repeat(100));
    assert.equal(response?.body_truncated, true);
    const file = join(stage.directory, response!.body_file!);
    assert.equal(readFileSync(file, 'utf8'), body);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(stage.directory, 'bodies')).mode & 0o777, 0o700);
  });

  test('may keep no bodies', async () => {
    await using origin = await Origin.http((_request, response) => response.end('hello'));
    await using stage = await Stage.open({ 'api.test': origin }, { bodies: { keep: 'none' } });
    const client = await stage.wire('api.test');
    client.write(GET);
    await client.takeResponse();
    const { response } = await stage.record();
    assert.deepEqual([response?.body, response?.body_size, response?.body_sha256], [null, 5, null]);
  });

  test('makes records as their schema says, of every kind', async () => {
    await using origin = await Origin.https((_request, response) => {
      response.addTrailers({ 'x-end': '1' });
      response.write('a');
      response.end('b');
    });
    await using stage = await Stage.open({ 'api.test': origin, 'gone.test': '127.0.0.1:1' }, {
      tap: (hooks) => hooks.onRequest.tap('test', ({ request }) => (request.path === '/no' ? { action: 'deny', rule: 'no', host: 'api.test' } : { action: 'allow', rule: 'yes' })),
    });
    const client = await stage.tlsWire('api.test');
    client.write('GET /no HTTP/1.1\r\nHost: api.test\r\n\r\n');
    await client.takeResponse();
    client.write(GET);
    await client.take('x-end: 1\r\n\r\n');
    client.write('GET\r\n\r\n');
    await client.takeResponse();
    const gone = await stage.wire('gone.test');
    gone.write(GET);
    await gone.takeResponse();
    (await stage.wire('api.test')).socket.end();
    const validator = new Validator(flowRecordSchema as never, '2020-12', false);
    for (const record of await stage.recorded(5)) {
      const { valid, errors } = validator.validate(record);
      assert.ok(valid, JSON.stringify(errors));
      assert.ok(record.timing.total >= 0 && record.latency_ms === record.timing.total);
    }
  });
});
