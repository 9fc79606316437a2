// A WebSocket full of bytes, from the guest or to it: node pour.mjs URL SIZE up|down. Prints their SHA-256: of those it heard, or as the server says.
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from '/opt/ws/wrapper.mjs';

const [url, size, direction] = process.argv.slice(2);
const MESSAGE = 1024 * 1024;
const socket = new WebSocket(`${url}/${direction}/${size}`, { perMessageDeflate: false, maxPayload: 2 * MESSAGE });
await once(socket, 'open');
if (direction === 'down') {
  const hash = createHash('sha256');
  socket.on('message', (data) => hash.update(data));
  await once(socket, 'close');
  console.log(hash.digest('hex'));
} else {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  const zeros = Buffer.alloc(MESSAGE);
  for (let left = Number(size); left > 0; left -= MESSAGE) {
    const bytes = cipher.update(zeros.subarray(0, Math.min(left, MESSAGE)));
    await new Promise((resolve) => socket.send(bytes, resolve));
  }
  socket.send('that was all');
  const [sum] = await once(socket, 'message');
  console.log(sum.toString());
  socket.close(1000);
  await once(socket, 'close');
}
