import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { peekFirstBytes, recogniseFirstBytes, type FirstBytes } from '../../../core/peek/first-bytes.ts';
import { soon } from '../../stage/wire.ts';
import { helloBytes, serverName } from './hello-bytes.ts';

const kindOf = (text: string | Buffer): string | undefined => recogniseFirstBytes(Buffer.from(text as string, 'latin1'))?.kind;

describe('the first bytes', () => {
  for (const [kind, texts] of [
    ['http1', ['GET / HTTP/1.1\r\n', 'GET ', 'M-SEARCH * HTTP/1.1\r\n', '\r\n\r\nPOST / ', `${'\r\n'.repeat(32)}GET / `, 'PRI / HTTP/1.1\n', 'PRIX * HTTP/2\r\n']],
    ['http2', ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'PRI * HTTP/2.0\r\n']],
    ['raw', ['\0', 'GET/', 'SSH-2.0-OpenSSH_9.2\r\n', '{"a":1}', '\n', '\x16\x02\x01\0\x05', '0032git-upload-pack /project.git\0host=a\0', 'NICK a\r\n', 'get key\r\n', `x ${'y'.repeat(9000)}`, `${'\r\n'.repeat(33)}`, 'x'.repeat(40), '\x80\x2e\x01']],
    ['broken-tls', ['\x16\x03\x01\0\0']],
    [undefined, ['', 'G', 'GET', 'G ', 'M-SEARCH * HTTP/1.1', 'X /\xe9', 'PRI', 'PRI * HTTP/2.0', '\r', '\r\n', '\r\n\r', '\x16', '\x16\x03\x01\x02']],
  ] as const) {
    test(`are ${kind ?? 'not enough'} for each of ${texts.length}`, () => {
      for (const text of texts) assert.equal(kindOf(text), kind, JSON.stringify(text.slice(0, 40)));
    });
  }

  test('of a hello are tls, with what it says', () => {
    const first = recogniseFirstBytes(helloBytes({ extensions: [serverName('api.test')] }));
    assert.equal(first?.kind === 'tls' && first.hello.sni, 'api.test');
  });

  test('mean the same wherever they are parted', () => {
    for (const text of ['\r\nDELETE /x HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'SSH-2.0-x\r\n']) {
      const whole = kindOf(text);
      for (let at = 0; at < text.length; at++) {
        const kind = kindOf(text.slice(0, at));
        assert.ok(kind === undefined || kind === whole, `${JSON.stringify(text.slice(0, at))} was ${kind}`);
      }
    }
  });
});

/** A client, and its connection as the server has it. */
async function pair(): Promise<{ client: Socket; server: Socket; close(): void }> {
  const listener = createServer({ allowHalfOpen: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = connect({ port: (listener.address() as { port: number }).port, noDelay: true, allowHalfOpen: true });
  const [server] = (await once(listener, 'connection')) as [Socket];
  server.on('error', () => {});
  client.on('error', () => {});
  return {
    client,
    server,
    close() {
      client.destroy();
      server.destroy();
      listener.close();
    },
  };
}

const peek = (socket: Socket, silence = 5000): Promise<FirstBytes> => soon('a verdict', new Promise((resolve) => peekFirstBytes(socket, silence, resolve)));

describe('a peek', () => {
  test('puts the bytes back, all of them, and leaves the socket paused', async () => {
    const { client, server, close } = await pair();
    const first = peek(server);
    for (const byte of '\r\nGET / HTTP/1.1\r\n') client.write(byte);
    assert.equal((await first).kind, 'http1');
    client.end('the rest');
    let text = '';
    for await (const chunk of server) text += chunk;
    assert.equal(text, '\r\nGET / HTTP/1.1\r\nthe rest');
    close();
  });

  test('of a silent client ends', async () => {
    const { server, close } = await pair();
    assert.equal((await peek(server, 50)).kind, 'none');
    close();
  });

  test('of a client that leaves without a word, or after half of one, ends', async () => {
    for (const [word, kind] of [['', 'none'], ['GE', 'raw'], ['\x16\x03', 'broken-tls']] as const) {
      const { client, server, close } = await pair();
      const first = peek(server);
      client.end(word);
      assert.equal((await first).kind, kind);
      close();
    }
  });

  test('of a client that resets the connection ends', async () => {
    const { client, server, close } = await pair();
    const first = peek(server);
    client.resetAndDestroy();
    assert.equal((await first).kind, 'none');
    close();
  });

  test('leaves no listener behind', async () => {
    const { client, server, close } = await pair();
    const before = server.eventNames().map((name) => [name, server.listenerCount(name)]);
    const first = peek(server);
    client.write('GET / HTTP/1.1\r\n');
    await first;
    assert.deepEqual(server.eventNames().map((name) => [name, server.listenerCount(name)]), before);
    close();
  });
});
