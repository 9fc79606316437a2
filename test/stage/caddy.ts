/** Caddy on loopback: over HTTP/3 by default, with a certificate of the test origins. What it does not answer by itself goes to a backend, where WebSockets echo. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import { freePort } from './free-ports.ts';
import { run } from './program.ts';
import { soon } from './wire.ts';

export interface CaddyOptions {
  /** Such as `h1 h2`; by default HTTP/3 as well. */
  readonly protocols?: string;
  readonly identity: { readonly key: string; readonly cert: string };
  readonly host: string;
}

export class Caddy implements AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  readonly #process: ChildProcess;
  readonly #backend: Server;

  private constructor(port: number, folder: string, process: ChildProcess, backend: Server) {
    this.port = port;
    this.folder = folder;
    this.#process = process;
    this.#backend = backend;
  }

  static async open({ protocols, identity, host }: CaddyOptions): Promise<Caddy> {
    const folder = mkdtempSync(join(tmpdir(), 'caddy-'));
    const backend = createServer((request, response) => {
      const hash = createHash('sha256');
      let size = 0;
      request.on('data', (chunk: Buffer) => (hash.update(chunk), (size += chunk.length)));
      request.on('end', () => response.end(JSON.stringify({ method: request.method, url: request.url, size, sha256: hash.digest('hex') })));
    }).listen(0, '127.0.0.1');
    new WebSocketServer({ server: backend }).on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
    await once(backend, 'listening');
    const [port, admin] = [await freePort(), await freePort()];
    writeFileSync(join(folder, 'cert.pem'), identity.cert);
    writeFileSync(join(folder, 'key.pem'), identity.key);
    const servers = protocols ? `servers {\n    protocols ${protocols}\n  }` : '';
    writeFileSync(
      join(folder, 'Caddyfile'),
      `{
  admin 127.0.0.1:${admin}
  auto_https off
  skip_install_trust
  ${servers}
}
https://${host}:${port} {
  bind 127.0.0.1
  tls ${folder}/cert.pem ${folder}/key.pem
  root * ${folder}
  respond /hello "hello from caddy"
  handle /files/* {
    uri strip_prefix /files
    file_server
  }
  reverse_proxy 127.0.0.1:${(backend.address() as AddressInfo).port}
}
`,
    );
    const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    const caddy = spawn('caddy', ['run', '--config', join(folder, 'Caddyfile')], { stdio: ['ignore', 'ignore', 'pipe'], env });
    let said = '';
    await soon(
      'caddy',
      new Promise<void>((resolve, reject) => {
        caddy.stderr!.on('data', (chunk) => {
          said += chunk;
          if (said.includes('serving initial configuration')) resolve();
        });
        caddy.once('exit', () => reject(new Error(said)));
      }),
      15_000,
    );
    return new Caddy(port, folder, caddy, backend);
  }

  write(name: string, content: Buffer): void {
    writeFileSync(join(this.folder, name), content);
  }

  /** Loads its settings anew: it leaves all connections by GOAWAY. */
  async reload(): Promise<void> {
    const { code, stderr } = await run('caddy', ['reload', '--force', '--config', join(this.folder, 'Caddyfile')]);
    if (code !== 0) throw new Error(stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const late = setTimeout(() => this.#process.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(late);
    this.#backend.closeAllConnections();
    this.#backend.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
