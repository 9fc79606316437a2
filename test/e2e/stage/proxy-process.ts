/** `mentu-runtime proxy` in a process of its own, so that its memory is told apart from its peers'. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { FlowRecord } from '../../../core/index.ts';
import type { Stage } from './stage.ts';
import { memoryOf } from './transfer.ts';
import { flowsOf, until } from './workspace.ts';

const CA = 'proxy-ca.pem';

export class ProxyProcess {
  /** On 127.0.0.1. */
  readonly port: number;
  /** PEM. */
  readonly authority: string;
  readonly #stage: Stage;
  readonly #child: ChildProcess;
  readonly #said: () => string;
  readonly #closed: Promise<unknown[]>;

  private constructor(stage: Stage, child: ChildProcess, said: () => string, closed: Promise<unknown[]>, port: number) {
    this.#stage = stage;
    this.#child = child;
    this.#said = said;
    this.#closed = closed;
    this.port = port;
    this.authority = readFileSync(stage.workspace.path(CA), 'utf8');
  }

  static async open(stage: Stage, flags: readonly string[] = []): Promise<ProxyProcess> {
    const child = stage.workspace.start('mentu-runtime', ['proxy', '--listen', '127.0.0.1:0', '--profile', 'profile.json', '--ca-out', CA, ...flags]);
    let stderr = '';
    child.stderr!.on('data', (chunk) => (stderr += chunk));
    const closed = once(child, 'close');
    const [, port] = await until('the proxy tells its port', () => {
      if (child.exitCode !== null) throw new Error(stderr);
      return /proxy on http:\/\/127\.0\.0\.1:(\d+) .* record in \S+/.exec(stderr);
    });
    return new ProxyProcess(stage, child, () => stderr, closed, Number(port));
  }

  /** Where it takes HTTP/3, if it was asked to. */
  async http3Port(): Promise<number> {
    return Number((await until('the port of HTTP/3', () => /HTTP\/3 on 127\.0\.0\.1:(\d+)/.exec(this.#said())))[1]);
  }

  /** MiB of resident memory. */
  get memory(): number {
    return memoryOf(this.#child.pid!, 'VmRSS');
  }

  /** The most that it ever was. */
  get peak(): number {
    return memoryOf(this.#child.pid!, 'VmHWM');
  }

  async tunnel(authority: string): Promise<Socket> {
    const socket = connect(this.port, '127.0.0.1');
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 200 [^]*\r\n\r\n$/);
    return socket;
  }

  /** Ends it as Ctrl-C does, and gives what it recorded. */
  async end(): Promise<FlowRecord[]> {
    const [, folder] = /record in (\S+)/.exec(this.#said())!;
    this.#child.kill('SIGINT');
    const [code] = await this.#closed;
    assert.equal(code, 0, this.#said());
    return flowsOf(this.#stage.workspace.path(folder!));
  }
}
