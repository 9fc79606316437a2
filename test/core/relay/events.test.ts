/** Streams of events: each reaches the client when it comes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Stage } from '../../stage/captured.ts';
import { Arrivals, Origin } from '../../stage/origin.ts';
import { soon, until } from '../../stage/wire.ts';

describe('events', () => {
  test('reach the client as they come: the next is sent when the last was acknowledged, over HTTP/1.1', async () => {
    const arrivals = new Arrivals();
    await using origin = await Origin.raw(arrivals.add);
    await using stage = await Stage.open({ 'api.test': origin }, { tap: (hooks) => hooks.onResponse.tap('test', () => {}) });
    const client = await stage.wire('api.test');
    client.write('GET /events HTTP/1.1\r\nHost: api.test\r\nAccept: text/event-stream\r\n\r\n');
    const upstream = await arrivals.next();
    await upstream.take('\r\n\r\n');
    upstream.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    assert.match(await client.take('\r\n\r\n'), /event-stream/, 'the head comes alone');
    for (let n = 1; n <= 20; n++) {
      upstream.write(`${(8 + String(n).length).toString(16)}\r\ndata: ${n}\n\n\r\n`);
      assert.match(await client.take('\n\n\r\n'), new RegExp(`data: ${n}\n`));
    }
    assert.equal(stage.records.length, 0);
    await client.close();
    await until('the end upstream', () => upstream.ended);
    upstream.socket.destroy();
    const record = await stage.record();
    assert.equal(record.outcome, 'aborted');
    assert.match(record.response?.body ?? '', /^data: 1\n\n[^]*data: 20\n\n$/);
  });

  test('do so over HTTP/2', async () => {
    let acknowledge: () => void = () => {};
    await using origin = await Origin.h2(async (stream, headers) => {
      if (headers[':path'] === '/ack') {
        stream.respond({ ':status': 204 }, { endStream: true });
        return acknowledge();
      }
      stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
      for (let n = 1; n <= 10; n++) {
        const acknowledged = new Promise<void>((resolve) => (acknowledge = resolve));
        stream.write(`data: ${n}\n\n`);
        await acknowledged;
      }
      stream.end();
    });
    await using stage = await Stage.open({ 'api.test': origin });
    const session = await stage.h2('api.test');
    const events = session.request({ ':path': '/events', ':authority': 'api.test' });
    let count = 0;
    events.on('data', () => {
      count++;
      session.request({ ':path': '/ack', ':authority': 'api.test' }).resume();
    });
    await soon('the end of the events', once(events, 'end'));
    assert.equal(count, 10);
    session.destroy();
    await stage.recorded(11);
  });
});
