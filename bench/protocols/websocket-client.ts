/** Messages over a few WebSockets, each sent back by the origin; some are under way at a time. */
import { WebSocket } from 'ws';
import { HOST } from '../origin.ts';
import { openTunnel } from '../tunnel.ts';
import { serveOrder } from './exchange.ts';
import { MESSAGE } from './echo-origin.ts';

await serveOrder(async ({ proxyPort, originPort, connections, window }, exchange) => {
  let toOpen = connections;
  const asks: (() => void)[] = [];
  for (let opened = 0; opened < connections; opened++) {
    const tls = await openTunnel(proxyPort, originPort);
    const socket = new WebSocket(`wss://${HOST}:${originPort}/echo`, { createConnection: () => tls, perMessageDeflate: false });
    socket.on('error', (error) => exchange.fail(error.message));
    socket.on('close', (code) => exchange.fail(`a WebSocket was closed (${code})`));
    const ask = (): void => {
      if (exchange.ask()) socket.send(MESSAGE);
    };
    asks.push(ask);
    socket.on('open', () => {
      if (--toOpen > 0) return;
      exchange.begin();
      for (let under = 0; under < window; under++) for (const one of asks) one();
    });
    socket.on('message', (data) => {
      if (String(data) !== MESSAGE) return exchange.fail('another message came back');
      ask();
      exchange.answered();
    });
  }
});
