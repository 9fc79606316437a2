/** WebSocket servers outside of the guest: `ws`, Python's websockets, hypercorn, gorilla on quic-go. Each echoes what it hears. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { WebSocketServer } from 'ws';
import type { ServerIdentity } from './certificates.ts';
import { until } from './workspace.ts';

const BUILD_LIMIT_MS = 100_000;

/** In the guest: the package of the client. */
export const GUEST_WS = { source: join(import.meta.dirname, '../../../node_modules/ws'), destination: '/opt/ws', readOnly: true };

export class ChatServer {
  /** TCP connections that were opened to it. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** `ws` on HTTPS; `page` is what it answers to all else, a response that waits for the end of the WebSocket at `/held`. */
  static async open({ key, cert }: ServerIdentity, page = ''): Promise<ChatServer> {
    const waiting: (() => void)[] = [];
    const server = createServer({ key, cert }, (request, response) => {
      if (request.url === '/over') for (const answer of waiting.splice(0)) answer();
      if (request.url === '/held') return void waiting.push(() => response.end());
      response.setHeader('content-type', 'text/html');
      response.end(request.url === '/page' ? page : '');
    });
    const sockets = new WebSocketServer({ server, perMessageDeflate: { threshold: 0 }, handleProtocols: (offered) => offered.values().next().value ?? false });
    sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ChatServer(server);
  }

  /** As a pin of `interceptor.hosts`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** A server in another language, as a process of its own that prints its port. */
export class ForeignChatServer {
  readonly address: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: string) {
    this.#child = child;
    this.address = `127.0.0.1:${port}`;
  }

  /** In Python, by the system's interpreter and packages. `folder` holds the stage's certificate and key. */
  static python(which: 'websockets' | 'hypercorn', folder: string): Promise<ForeignChatServer> {
    return ForeignChatServer.#start('/usr/bin/python3', [join(import.meta.dirname, 'chat_servers.py'), which, join(folder, 'leaf.pem'), join(folder, 'leaf.key')]);
  }

  /** In Go, over HTTP/3 alone, built by the system's compiler of the system's packages. `page` is what it answers at `/page`. */
  static async http3(folder: string, page: string): Promise<ForeignChatServer> {
    const built = mkdtempSync(join(tmpdir(), 'http3-chat-'));
    try {
      const [program, pageFile] = [join(built, 'server'), join(built, 'page')];
      const env = { ...process.env, CGO_ENABLED: '1', GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(built, 'cache'), GOFLAGS: '' };
      await promisify(execFile)('go', ['build', '-o', program, join(import.meta.dirname, 'http3_chat.go')], { env, timeout: BUILD_LIMIT_MS });
      writeFileSync(pageFile, page);
      return await ForeignChatServer.#start(program, [join(folder, 'leaf.pem'), join(folder, 'leaf.key'), pageFile]);
    } finally {
      rmSync(built, { recursive: true, force: true });
    }
  }

  static async #start(program: string, args: readonly string[]): Promise<ForeignChatServer> {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    const port = await until('the port of the server', () => {
      if (child.exitCode !== null) throw new Error(stderr);
      return /^(\d+)\n/.exec(stdout)?.[1];
    });
    return new ForeignChatServer(child, port);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

/** A page whose loading ends when its WebSocket has. */
export const CHAT_PAGE = `<!doctype html><title>chat</title><link rel="icon" href="data:,"><p id="told">not yet</p><script>
const told = document.getElementById('told');
const heard = [];
const socket = new WebSocket('wss://' + location.host + '/chat');
socket.onopen = () => { socket.send('hello'); socket.send('x'.repeat(100000)); };
socket.onmessage = ({ data }) => { heard.push(data.length > 20 ? data.length + ' characters' : data); if (heard.length === 2) socket.close(4000, 'enough'); };
socket.onerror = () => { told.textContent = 'the WebSocket failed'; };
socket.onclose = ({ code }) => { told.textContent += ': ' + heard.join(', ') + ', closed ' + code; fetch('/over'); };
</script><img src="/held">`;
