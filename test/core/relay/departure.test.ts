/** Clients that leave as soon as they have what the response's head announced. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerHttp2Stream } from 'node:http2';
import { Stage } from '../../stage/captured.ts';
import { Origin } from '../../stage/origin.ts';
import { until } from '../../stage/wire.ts';

/** Answers with all of the body, and leaves the end of the stream, in a frame of its own, for later. */
async function withOpenEnd(announced: number, act: (stage: Stage, atOrigin: () => ServerHttp2Stream | undefined) => Promise<void>): Promise<void> {
  let atOrigin: ServerHttp2Stream | undefined;
  await using origin = await Origin.h2((stream) => {
    atOrigin = stream;
    stream.respond({ ':status': 200, 'content-length': announced });
    stream.write('whole');
  });
  await using stage = await Stage.open({ 'api.test': origin });
  await act(stage, () => atOrigin);
}

test('a client that leaves with the whole body, before the stream is ended, has completed its exchange', () =>
  withOpenEnd(5, async (stage, atOrigin) => {
    const session = await stage.h2('api.test');
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    await new Promise<void>((resolve) => stream.once('data', () => resolve()));
    session.destroy();
    const record = await stage.record();
    assert.equal(record.outcome, 'completed');
    assert.equal(record.error, null);
    assert.equal(record.response?.body, 'whole');
    await until('the end of the stream at the origin', () => atOrigin()!.destroyed);
  }));

test('a client that leaves with a part of the body has aborted it', () =>
  withOpenEnd(6, async (stage) => {
    const session = await stage.h2('api.test');
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    await new Promise<void>((resolve) => stream.once('data', () => resolve()));
    session.destroy();
    const record = await stage.record();
    assert.equal(record.outcome, 'aborted');
    assert.equal(record.error?.code, 'client_aborted');
  }));
