/** Many small requests at a time over few connections of HTTP/2. */
import { connect } from 'node:http2';
import { BODY, HOST } from '../origin.ts';
import { openTunnel } from '../tunnel.ts';
import { serveOrder } from './exchange.ts';

await serveOrder(async ({ proxyPort, originPort, connections, window }, exchange) => {
  const tunnels = await Promise.all(Array.from({ length: connections }, () => openTunnel(proxyPort, originPort, 'h2')));
  exchange.begin();
  for (const tls of tunnels) {
    const session = connect(`https://${HOST}:${originPort}`, { createConnection: () => tls });
    session.on('error', (error) => exchange.fail(error.message));
    session.on('close', () => exchange.fail('a connection was closed'));
    const ask = (): void => {
      if (!exchange.ask()) return;
      const stream = session.request({ ':path': '/small' });
      let status = 0;
      let body = '';
      stream.setEncoding('utf8');
      stream.on('response', (head) => (status = head[':status'] ?? 0));
      stream.on('data', (text: string) => (body += text));
      stream.on('error', (error) => exchange.fail(error.message));
      stream.on('end', () => {
        if (status !== 200 || body !== BODY) return exchange.fail(`it answered ${status} with ${body.length} characters`);
        ask();
        exchange.answered();
      });
    };
    for (let under = 0; under < window; under++) ask();
  }
});
