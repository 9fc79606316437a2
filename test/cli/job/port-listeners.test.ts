import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { PortListeners } from '../../../cli/job/port-listeners.ts';
import { freePort } from '../../stage/free-ports.ts';
import { mistake } from '../settings/workspace.ts';

async function listening(t: TestContext, answer: (socket: Socket) => void, host = '127.0.0.1', port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    answer(socket);
  });
  server.listen(port, host);
  await once(server, 'listening');
  t.after(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

/** A guest whose ports are this machine's. */
const here = { connect: async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
} };

async function talk(port: number, words: string, host = '127.0.0.1'): Promise<string> {
  const socket = connect({ port, host, allowHalfOpen: true });
  let heard = '';
  socket.on('data', (chunk) => (heard += chunk));
  socket.end(words);
  await once(socket, 'close');
  return heard;
}

test('both loopback addresses lead to the guest of the time, and each side may end before the other', async (t) => {
  const echoed: string[] = [];
  const guest = await listening(t, (socket) => {
    let words = '';
    socket.on('data', (chunk) => (words += chunk)).on('end', () => {
      echoed.push(words);
      socket.end(`heard ${words}`);
    });
  });
  const port = await freePort();
  const ports = await PortListeners.open([{ host: port, guest: guest.port }]);
  t.after(() => ports.close());
  await assert.rejects(talk(port, 'too early'), { code: 'ECONNRESET' });
  ports.guest = here;
  assert.equal(await talk(port, 'one'), 'heard one');
  assert.equal(await talk(port, 'two', '::1'), 'heard two');
  ports.guest = { connect: () => Promise.reject(Object.assign(new Error('nobody listens'), { code: 'ECONNREFUSED' })) };
  await assert.rejects(talk(port, 'nobody'), { code: 'ECONNRESET' });
  ports.guest = null;
  await assert.rejects(talk(port, 'too late'), { code: 'ECONNRESET' });
  assert.deepEqual(echoed, ['one', 'two']);
});

test('a port that is taken is refused by name, and those before it are free again', async (t) => {
  const taken = await listening(t, () => {});
  const free = await freePort();
  await assert.rejects(PortListeners.open([{ host: free, guest: 80 }, { host: taken.port, guest: 80 }]), mistake('port_taken', undefined, `127.0.0.1:${taken.port}`, 'another program listens there'));
  await assert.rejects(once(connect(free, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
  const six = await listening(t, () => {}, '::1', free);
  await assert.rejects(PortListeners.open([{ host: six.port, guest: 80 }]), mistake('port_taken', undefined, `[::1]:${six.port}`));
});

test('close ends what is open: what was said arrives first, and a connection that stays open is cut', async (t) => {
  const guest = await listening(t, (socket) => void socket.write('x'.repeat(1_000_000)));
  const port = await freePort();
  const ports = await PortListeners.open([{ host: port, guest: guest.port }]);
  ports.guest = here;
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  let heard = 0;
  socket.on('data', (chunk) => (heard += chunk.length));
  await once(socket, 'data');
  await Promise.all([ports.close(), once(socket, 'close')]);
  assert.equal(heard, 1_000_000);
  await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
});

test('back-pressure: who is not read is not read for', async (t) => {
  let sent = 0;
  const guest = await listening(t, (socket) => {
    const block = Buffer.alloc(65_536);
    const more = (): void => {
      while (!socket.destroyed && socket.write(block)) sent += block.length;
      socket.once('drain', more);
    };
    more();
  });
  const port = await freePort();
  const ports = await PortListeners.open([{ host: port, guest: guest.port }]);
  t.after(() => ports.close());
  ports.guest = here;
  const socket = connect(port, '127.0.0.1').on('error', () => {}).pause();
  await once(socket, 'connect');
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = sent;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(sent, before, 'it has stopped');
  assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes for nobody`);
  socket.destroy();
});
