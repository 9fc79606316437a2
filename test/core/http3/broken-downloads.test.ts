/** Downloads that an HTTP/3 server breaks off while they are held back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientExchange } from '../../../core/exchange.ts';
import { Headers } from '../../../core/headers.ts';
import { Http3Client } from '../../../core/http3/client.ts';
import { Http3Origin, ask, dialOrigin } from '../../stage/http3.ts';
import { soon } from '../../stage/wire.ts';

const SIZE = 3_000_000;
const BROKEN_OFF = 9;

function answer(exchange: ClientExchange): void {
  let left = SIZE / 60_000;
  const pour = (): void => {
    while (left-- > 0) if (!exchange.write(Buffer.alloc(60_000, 65))) return;
    exchange.end(null);
  };
  exchange.attach({ onRequestData() {}, onRequestEnd() {}, onClientAbort: () => (left = 0), onClientHalfClose() {}, onClientError() {}, onClientDrain: pour });
  exchange.start();
  exchange.respond({ status: 200, statusText: '', httpVersion: '3', headers: new Headers(), hasBody: true });
  pour();
  if (exchange.head.path === '/broken') setTimeout(() => exchange.reset(), 80);
}

test('cost the connection what others may send, so others take a new one', { timeout: 60_000 }, async () => {
  await using origin = await Http3Origin.open(answer);
  const clients: Http3Client[] = [];
  const client = async (): Promise<Http3Client> => {
    if (!clients.at(-1)?.isFree) clients.push(new Http3Client(await dialOrigin(origin.port, 'api.test'), 'api.test', () => {}));
    return clients.at(-1)!;
  };
  for (let count = 0; count < BROKEN_OFF; count++) await soon('the end of a broken download', held(await client()));
  for (let count = 0; count < 3; count++) assert.equal((await ask(await client(), { path: '/whole' })).body.length, SIZE);
  assert.ok(clients.length > 1 && clients.length <= 3, `${clients.length} connections`);
  for (const one of clients) one.destroy();
});

/** A download that is not read while the server breaks it off. */
function held(client: Http3Client): Promise<void> {
  const head = { method: 'GET', scheme: 'https' as const, authority: 'api.test', path: '/broken', httpVersion: '3', headers: new Headers(), hasBody: false, wantsUpgrade: false };
  return new Promise((resolve) => {
    let isHeld = false;
    const exchange = client.send(head, {
      onInform() {},
      onResponse() {},
      onResponseData: () => {
        if (isHeld) return;
        isHeld = true;
        exchange.pauseResponse();
        setTimeout(() => exchange.resumeResponse(), 200);
      },
      onResponseEnd: () => resolve(),
      onUpstreamError: () => resolve(),
      onUpstreamDrain() {},
      onUpgrade() {},
    });
    exchange.end(null);
  });
}
