/** What of the host guests must not reach: listeners, sockets, FIFOs, files, a process, shared memory. */
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, ListenOptions, Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GuestSpec } from '../../plugins/engines/engine.ts';
import { WORDS } from './pairs.ts';

export class Bait {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'isolation-test-')));
  /** A segment of System V shared memory, of 4096 bytes. */
  readonly segment = /\d+/.exec(execFileSync('ipcmk', ['-M', '4096'], { encoding: 'utf8' }))![0];
  /** A process whose command line has the folder's name in it. */
  readonly process = spawn('sh', ['-c', 'read -r _', this.folder], { stdio: ['pipe', 'ignore', 'ignore'] });
  readonly #servers: Server[] = [];
  readonly #fifos: number[] = [];
  readonly #datagrams = createSocket('udp4');

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** An address of the host that is not its loopback; undefined where it has none. */
  get address(): string | undefined {
    return Object.values(networkInterfaces()).flat().find((entry) => entry && !entry.internal && entry.family === 'IPv4')?.address;
  }

  get datagramPort(): number {
    return this.#datagrams.address().port;
  }

  /** Says its words to whoever connects. Returns the port. */
  async serve(options: ListenOptions): Promise<number> {
    const server = createServer((socket) => socket.on('error', () => undefined).end(WORDS));
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(options, resolve));
    this.#servers.push(server);
    return (server.address() as AddressInfo | string | null as AddressInfo).port;
  }

  /** The shares `ro` and `rw`, each with what must not be seen or reached in it. */
  async lay(): Promise<void> {
    for (const share of ['ro', 'rw']) {
      mkdirSync(this.path(share, 'deep', '.mentu'), { recursive: true });
      writeFileSync(this.path(share, 'deep', '.mentu', 'flows'), WORDS);
      writeFileSync(this.path(share, 'mentu.yaml'), WORDS);
      mkdirSync(this.path(share, 'hidden'));
      writeFileSync(this.path(share, 'hidden', 'file'), WORDS);
      writeFileSync(this.path(share, 'data'), 'data');
      symlinkSync(this.path('secret'), this.path(share, 'link'));
      await this.serve({ path: this.path(share, 'deep', 'socket') });
      this.#fifo(this.path(share, 'deep', 'fifo'));
    }
    writeFileSync(this.path('secret'), WORDS);
    await this.serve({ path: `\0${this.folder}` });
    await new Promise<void>((resolve) => this.#datagrams.bind(0, '127.0.0.1', resolve));
    this.#datagrams.on('message', (_, { port, address }) => this.#datagrams.send(WORDS, port, address));
  }

  /** How a guest sees the shares. */
  get spec(): Partial<GuestSpec> {
    return {
      maskedNames: ['.mentu', 'mentu.yaml'],
      hiddenPaths: [this.path('ro', 'hidden'), this.path('rw', 'hidden')],
      mounts: ['ro', 'rw'].map((share) => ({ source: this.path(share), destination: `/${share}`, readOnly: share === 'ro' })),
    };
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const fd of this.#fifos) closeSync(fd);
    this.#datagrams.close();
    this.process.kill('SIGKILL');
    execFileSync('ipcrm', ['-m', this.segment]);
    rmSync(this.folder, { recursive: true });
  }

  /** A FIFO that has a reader. */
  #fifo(path: string): void {
    execFileSync('mkfifo', [path]);
    this.#fifos.push(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
  }
}
