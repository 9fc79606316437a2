/** Requests of HTTP/3 that are refused: by us, while their body is still coming, and by an upstream that has not looked at them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientExchange } from '../../../core/exchange.ts';
import { Headers } from '../../../core/headers.ts';
import { Http3Client } from '../../../core/http3/client.ts';
import { Http3Server } from '../../../core/http3/server.ts';
import type { QuicConnection, QuicEnd } from '../../../core/quic/connection.ts';
import { Stage } from '../../stage/captured.ts';
import { Http3Origin, ask, dialHttp3, http3Client, listenHttp3 } from '../../stage/http3.ts';

const QUIET = { onData: () => {}, onEnd: () => {}, onReset: () => {}, onStopSending: () => {}, onDrain: () => {} };
const REJECTED = 0x10b;

/** Answers every request with 200 once it is whole. @param delay milliseconds. */
function answering(delay = 0): (exchange: ClientExchange) => void {
  return (exchange) => {
    const answer = (): void => void setTimeout(() => {
      exchange.respond({ status: 200, statusText: '', httpVersion: '3', headers: new Headers(), hasBody: false });
      exchange.end(null);
    }, delay);
    exchange.attach({ onRequestData: () => {}, onRequestEnd: answer, onClientAbort: () => {}, onClientHalfClose: () => {}, onClientError: () => {}, onClientDrain: () => {} });
    exchange.start();
    if (!exchange.head.hasBody) answer();
  };
}

test('long uploads that are denied are answered, and their connection goes on', async () => {
  await using origin = await Http3Origin.open(answering(1_000));
  await using stage = await Stage.open({ 'api.test': origin }, { tap: (hooks) => hooks.onRequest.tap('t', ({ request }) => (request.path === '/no' ? { action: 'deny', rule: 'r' } : undefined)) });
  const ends: QuicEnd[] = [];
  const client = new Http3Client(await dialHttp3(stage, await listenHttp3(stage), 'api.test'), 'api.test', (end) => ends.push(end));
  const beside = ask(client, { path: '/slow' });
  for (let count = 0; count < 3; count++) assert.equal((await ask(client, { method: 'POST', path: '/no', body: Buffer.alloc(4_000_000, 65) })).head.status, 403);
  assert.equal((await beside).head.status, 200);
  assert.deepEqual(ends, []);
  await stage.recorded(4);
  assert.deepEqual(stage.records.map(({ outcome }) => outcome).sort(), ['completed', 'denied', 'denied', 'denied']);
  client.destroy();
});

/** An upstream whose first connection takes no request: by a reset of its stream, or by a GOAWAY. */
function reluctant(how: 'reset' | 'goaway'): (connection: QuicConnection) => void {
  let connections = 0;
  return (connection) => {
    if (connections++ > 0) return void new Http3Server(connection, 'https', { onExchange: answering(), onClose: () => {} });
    let requests = 0;
    connection.attach({
      onStream: (stream) => {
        let isRefused = false;
        const refuse = (): void => {
          if (!stream.isBidirectional || isRefused) return;
          isRefused = true;
          if (how === 'goaway') return void control.write(Buffer.from('070100', 'hex'));
          // The second time it takes it.
          if (requests++ > 0) return void stream.end(Buffer.from('010300 00d9'.replace(' ', ''), 'hex'));
          stream.stopReading(REJECTED);
          stream.reset(REJECTED);
        };
        stream.attach({ ...QUIET, onData: refuse });
      },
      onStreamsAllowed: () => {},
      onClose: () => {},
    });
    const control = connection.open('unidirectional')!;
    control.attach(QUIET);
    control.write(Buffer.from('000400', 'hex'));
  };
}

for (const how of ['reset', 'goaway'] as const) {
  for (const method of ['GET', 'POST']) {
    test(`${method} that the upstream says it has not looked at (${how}) is sent again`, async () => {
      await using origin = await Http3Origin.open(() => {}, reluctant(how));
      await using stage = await Stage.open({ 'api.test': origin });
      const client = await http3Client(stage, await listenHttp3(stage));
      assert.equal((await ask(client, { method })).head.status, 200);
      assert.equal((await stage.record()).outcome, 'completed');
      assert.equal(origin.connections.length, how === 'goaway' ? 2 : 1);
      client.destroy();
    });
  }
}
