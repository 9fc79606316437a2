// The client of `ws` in the guest, which is mounted under /opt/ws: node chat.mjs URL [deflate]. Says five things, hears the echo of each, and closes.
import WebSocket from '/opt/ws/wrapper.mjs';

const [url, deflate] = process.argv.slice(2);
const socket = new WebSocket(url, ['chat'], { perMessageDeflate: deflate ? { threshold: 0 } : false });
const heard = [];
socket.on('open', () => {
  socket.send('hello');
  socket.send(Buffer.from([0, 255, 1]));
  socket.send('frag', { fin: false });
  socket.ping('still there?');
  socket.send('ments', { fin: true });
  socket.send('x'.repeat(300_000));
});
socket.on('pong', (data) => console.log(`pong ${data}`));
socket.on('message', (data) => {
  heard.push(data.length > 20 ? `${data.length} bytes` : data.toString('latin1'));
  if (heard.length === 4) socket.close(4000, 'enough');
});
socket.on('close', (code, reason) => console.log(`${heard.map((text) => JSON.stringify(text)).join(' ')} closed ${code} ${reason}`));
socket.on('error', (error) => console.log(error.message));
