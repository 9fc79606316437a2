/** A server under measurement: a process of its own that is started, measured and ended by its id. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Clock ticks of /proc a second; 100 on every Linux that Node supports. */
const TICKS = 100;
const START_TIME = 30_000;
const STOP_TIME = 60_000;
const OUTPUT_LIMIT = 64 * 1024;

export interface ServerOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class ServerProcess {
  readonly name: string;
  /** The beginning of what it wrote to stdout and stderr. */
  output = '';
  readonly #child: ChildProcess;
  #failure: Error | null = null;

  constructor(options: ServerOptions) {
    this.name = options.name;
    this.#child = spawn(options.command, options.args, { cwd: options.cwd, env: { ...process.env, ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.on('error', (error) => (this.#failure = error));
    const keep = (text: string): void => {
      if (this.output.length < OUTPUT_LIMIT) this.output += text;
    };
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) stream.setEncoding('utf8').on('data', keep);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#failure === null && this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits for text in the output and gives its match. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#until(async () => pattern.exec(this.output));
  }

  /** Waits until the port takes connections. */
  async listens(port: number): Promise<void> {
    await this.#until(async () => ((await accepts(port)) ? true : null));
  }

  /** Seconds of processor time so far, user and system together, its child processes included. */
  cpuSeconds(): number {
    return this.pid === undefined ? 0 : treeTicks(this.pid) / TICKS;
  }

  /** Resident memory in MiB. */
  residentMiB(): number {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Math.round(Number(match?.[1] ?? 0) / 1024);
  }

  /** Ends it with SIGTERM, and with SIGKILL where that is not enough. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIME);
    await exited;
    clearTimeout(timer);
  }

  async #until<T>(probe: () => Promise<T | null>): Promise<T> {
    const deadline = performance.now() + START_TIME;
    for (;;) {
      const found = await probe();
      if (found !== null) return found;
      if (!this.isRunning) throw new Error(`${this.name} did not start: ${this.#failure?.message ?? this.output.trim()}`);
      if (performance.now() > deadline) throw new Error(`${this.name} did not answer within ${START_TIME / 1000} s: ${this.output.trim()}`);
      await sleep(50);
    }
  }
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('connect', () => socket.destroy());
  });
}

/** Fields 14 and 15 of /proc/PID/stat (proc(5)), of a process and its living descendants. */
function treeTicks(pid: number): number {
  let ticks = 0;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks = Number(fields[11]) + Number(fields[12]);
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean);
      for (const child of children) ticks += treeTicks(Number(child));
    }
  } catch {
    // It has just ended.
  }
  return ticks;
}
