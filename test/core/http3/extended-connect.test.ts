/** WebSockets in streams of HTTP/3 (RFC 9220): what passes, and how it ends. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import type { ClientEvents, ClientExchange, ResponseHead } from '../../../core/exchange.ts';
import { Headers } from '../../../core/headers.ts';
import type { FlowRecord } from '../../../core/index.ts';
import type { Http3Client } from '../../../core/http3/client.ts';
import { Stage, type StageOptions } from '../../stage/captured.ts';
import { Http3Origin, http3Client, listenHttp3 } from '../../stage/http3.ts';
import { Wire, soon, until } from '../../stage/wire.ts';
import { clientFrame } from '../websocket/frame-bytes.ts';
import { BYE, HELLO, HI, chat, joined, open } from './web-socket.ts';

const CONSENT: ResponseHead = { status: 200, statusText: '', httpVersion: '3', headers: new Headers(['sec-websocket-protocol', 'chat']), hasBody: false };
const IGNORED: ClientEvents = { onRequestData() {}, onRequestEnd() {}, onClientAbort() {}, onClientHalfClose() {}, onClientError() {}, onClientDrain() {} };

interface Scene {
  readonly stage: Stage;
  readonly client: Http3Client;
  readonly origin: Http3Origin;
  /** The tunnels of the origin. */
  readonly tunnels: Duplex[];
}

/** @param speak what the origin does with each tunnel; `refuse` answers in place of consenting. */
async function scene(speak: (tunnel: Duplex) => void, act: (scene: Scene) => Promise<void>, options: StageOptions & { refuse?: (exchange: ClientExchange) => void } = {}): Promise<void> {
  const tunnels: Duplex[] = [];
  await using origin = await Http3Origin.open((exchange) => {
    exchange.attach(IGNORED);
    if (options.refuse) return options.refuse(exchange);
    const tunnel = exchange.detach(CONSENT)!;
    tunnels.push(tunnel.on('error', () => {}));
    speak(tunnel);
  });
  await using stage = await Stage.open({ 'api.test': origin }, options);
  const client = await http3Client(stage, await listenHttp3(stage));
  await act({ stage, client, origin, tunnels });
  client.destroy();
}

const heard = (record: FlowRecord): string[] => record.websocket!.messages.map(({ from, opcode, data }) => `${from} ${opcode} ${data}`);
const closed = async (tunnel: Duplex): Promise<void> => void (tunnel.closed || (await soon('the end of the tunnel', once(tunnel, 'close'))));

describe('extended CONNECT in HTTP/3', () => {
  test('joins two streams', () =>
    scene(chat, async ({ stage, client }) => {
      const wire = new Wire(await joined(client));
      wire.socket.write(HI);
      wire.socket.end(BYE.client);
      assert.equal(await wire.takeAll(), '\x81\x05hello\x88\x02\x03\xe8');
      const record = await stage.record();
      assert.deepEqual([record.kind, record.outcome, record.error, record.request?.method, record.request?.url, record.response?.status], ['websocket', 'completed', null, 'CONNECT', 'https://api.test/chat', 200]);
      assert.deepEqual([record.http_version, record.upstream?.http_version, record.websocket?.subprotocol, record.websocket?.close?.code], ['3', '3', 'chat', 1000]);
      assert.deepEqual(heard(record).sort(), ['client close A+g=', 'client text hi', 'server close A+g=', 'server text hello']);
      assert.deepEqual(record.bytes, { up: 8 + 8, down: 7 + 4 });
    }));

  test('leaves the connection to other requests', () =>
    scene(chat, async ({ stage, client }) => {
      const first = await joined(client);
      const second = new Wire(await joined(client));
      second.write(HI);
      await second.take('hello');
      first.destroy();
      second.socket.end(BYE.client);
      await second.takeAll();
      assert.deepEqual((await stage.recorded(2)).map(({ outcome, connection_id }) => [outcome, connection_id === stage.records[0]!.connection_id]).sort(), [['aborted', true], ['completed', true]]);
    }));

  test('passes the end of each half by itself', () =>
    scene(() => {}, async ({ client, tunnels, stage }) => {
      const tunnel = await joined(client);
      tunnel.end(HI);
      await soon('the client\'s half', once(tunnels[0]!.resume(), 'end'));
      tunnels[0]!.write(HELLO);
      await soon('what the server still says', once(tunnel, 'data'));
      tunnels[0]!.end();
      await soon('the server\'s half', once(tunnel, 'end'));
      assert.equal((await stage.record()).outcome, 'completed');
    }));

  test('carries megabytes both ways, and holds back who sends faster than the other reads', () =>
    scene((tunnel) => tunnel.pipe(tunnel), async ({ client, stage, tunnels }) => {
      const tunnel = await joined(client);
      const payload = randomBytes(1024 * 1024);
      const frame = clientFrame({ opcode: 2, payload });
      const sent = createHash('sha256');
      let size = 0;
      for (; size < 64 * frame.length && tunnel.write(frame); size += frame.length) sent.update(frame);
      sent.update(frame);
      size += frame.length;
      // Nobody reads here, so that the echo stops somewhere, and with it everything on the way back.
      const more = setInterval(() => {
        while (size < 64 * frame.length && !tunnel.writableNeedDrain) {
          tunnel.write(frame);
          sent.update(frame);
          size += frame.length;
        }
      }, 5);
      await new Promise((resolve) => setTimeout(resolve, 500));
      clearInterval(more);
      assert.ok(size < 40 * frame.length, `${size} bytes went to who reads none`);
      const got = createHash('sha256');
      let came = 0;
      tunnel.on('data', (chunk: Buffer) => {
        got.update(chunk);
        came += chunk.length;
      });
      tunnel.end();
      await soon('the echo', once(tunnel, 'end'), 20_000);
      await closed(tunnels[0]!);
      assert.deepEqual([came, got.digest('hex')], [size, sent.digest('hex')]);
      assert.deepEqual((await stage.record()).bytes, { up: size, down: size });
    }, { bodies: { keep: 'none' } }));

  for (const side of ['client', 'server'] as const) {
    test(`is over for the other side when the ${side} resets its stream`, () =>
      scene(() => {}, async ({ client, stage, tunnels }) => {
        const tunnel = await joined(client);
        tunnel.write(HI);
        await soon('the message', once(tunnels[0]!, 'data'));
        const [resetting, other] = side === 'client' ? [tunnel, tunnels[0]!] : [tunnels[0]!, tunnel];
        resetting.destroy();
        await closed(other);
        assert.equal(other.readableEnded, false, 'it did not look like an end');
        const record = await stage.record();
        assert.deepEqual([record.kind, record.outcome, record.error?.code, heard(record)], ['websocket', side === 'client' ? 'aborted' : 'failed', side === 'client' ? 'client_aborted' : 'upstream_aborted', ['client text hi']]);
      }));

    test(`is over for the other side when the connection of the ${side} is closed`, () =>
      scene(() => {}, async ({ client, stage, tunnels, origin }) => {
        const tunnel = await joined(client);
        tunnel.write(HI);
        await soon('the message', once(tunnels[0]!, 'data'));
        if (side === 'client') client.destroy();
        else origin.servers[0]!.destroy();
        await closed(side === 'client' ? tunnels[0]! : tunnel);
        const record = await stage.record();
        assert.deepEqual([record.kind, record.outcome, heard(record)], ['websocket', side === 'client' ? 'aborted' : 'failed', ['client text hi']]);
      }));
  }

  test('has one record where the capture ends under it', () =>
    scene(() => {}, async ({ client, stage, tunnels }) => {
      const tunnel = await joined(client);
      tunnel.write(HI);
      await soon('the message', once(tunnels[0]!, 'data'));
      await stage.close();
      await Promise.all([closed(tunnel), closed(tunnels[0]!)]);
      assert.deepEqual(stage.records.map(({ kind, outcome, error }) => [kind, outcome, error?.code]), [['websocket', 'aborted', 'shutting_down']]);
    }));

  test('that the upstream declines is an exchange like any other', () => {
    const refuse = (exchange: ClientExchange): void => {
      exchange.respond({ ...CONSENT, status: 403, hasBody: true });
      exchange.write(Buffer.from('no'));
      exchange.end(null);
    };
    return scene(() => {}, async ({ client, stage, origin }) => {
      const { head, tunnel, body } = await open(client);
      assert.deepEqual([head.status, tunnel, body], [403, null, 'no']);
      const record = await stage.record();
      assert.deepEqual([record.kind, record.outcome, record.response?.status, record.response?.body], ['http', 'completed', 403, 'no']);
      await until('the end of the stream', () => origin.servers[0]!.isIdle);
    }, { refuse });
  });

  test('that a rule denies is a 403 and one violation, and nothing of it goes upstream', () =>
    scene(() => assert.fail('it came to the upstream'), async ({ client, stage, origin }) => {
      assert.equal((await open(client)).head.status, 403);
      const record = await stage.record();
      assert.deepEqual([record.kind, record.outcome, record.violation?.rule, origin.connections.length], ['http', 'denied', 'no chats', 0]);
    }, { tap: (hooks) => hooks.onRequest.tap('rule', () => ({ action: 'deny', rule: 'no chats' })) }));

  test('for another protocol is answered by 501, and nothing of it goes upstream', () =>
    scene(() => assert.fail('it came to the upstream'), async ({ client, stage, origin }) => {
      assert.equal((await open(client, 'connect-udp')).head.status, 501);
      const record = await stage.record();
      assert.deepEqual([record.kind, record.outcome, record.error?.code, origin.connections.length], ['http', 'failed', 'upgrade_unsupported', 0]);
    }));
});
