// A WebSocket's handshake in a stream of HTTP/2 (RFC 8441), by Node's own client: node websocket_http2.mjs HOST. Prints the status.
import { connect } from 'node:http2';

const [host] = process.argv.slice(2);
const session = connect(`https://${host}`);
session.on('error', (error) => console.log(error.message));
session.setTimeout(15_000, () => session.destroy());
session.once('remoteSettings', () => {
  const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': '/chat', ':authority': host, 'sec-websocket-version': '13' }, { endStream: false });
  stream.on('error', (error) => {
    console.log(error.message);
    session.destroy();
  });
  stream.on('response', (headers) => {
    console.log(`status ${headers[':status']}`);
    stream.close();
    session.destroy();
  });
});
