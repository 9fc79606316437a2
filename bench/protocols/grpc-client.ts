/** Messages over a few bidirectional gRPC calls, each sent back by the origin; some are under way at a time. */
import { Client, credentials } from '@grpc/grpc-js';
import { HOST } from '../origin.ts';
import { serveOrder } from './exchange.ts';
import { ECHO_METHOD, MESSAGE } from './echo-origin.ts';

/** Milliseconds for the connection. */
const READY_LIMIT = 10_000;
const bytes = (data: Buffer): Buffer => data;

await serveOrder(async ({ proxyPort, originPort, connections, window }, exchange) => {
  // grpc-js takes its proxy from there; whoever is measured has a CA of its own, which is none of the measurement.
  if (proxyPort !== null) Object.assign(process.env, { grpc_proxy: `http://127.0.0.1:${proxyPort}`, no_grpc_proxy: '', no_proxy: '' });
  const secure = credentials.createSsl(null, null, null, { rejectUnauthorized: false });
  const asks: (() => void)[] = [];
  for (let opened = 0; opened < connections; opened++) {
    const client = new Client(`${HOST}:${originPort}`, secure, { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_http_proxy': proxyPort === null ? 0 : 1 });
    const call = client.makeBidiStreamRequest(ECHO_METHOD, bytes, bytes);
    call.on('error', (error) => exchange.fail(error.message));
    const ask = (): void => {
      if (exchange.ask()) call.write(Buffer.from(MESSAGE));
    };
    call.on('data', (message: Buffer) => {
      if (message.toString() !== MESSAGE) return exchange.fail('another message came back');
      ask();
      exchange.answered();
    });
    asks.push(ask);
    await new Promise<void>((resolve, reject) => client.waitForReady(Date.now() + READY_LIMIT, (error) => (error ? reject(error) : resolve())));
  }
  exchange.begin();
  for (let under = 0; under < window; under++) for (const ask of asks) ask();
});
