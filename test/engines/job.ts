/** Runs one command in a guest, in this process, with its output in files, and a consumer on the plane's listeners. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_LIMITS } from '../../plugins/engines/engine.ts';
import type { Guest, GuestExit, GuestSpec, Mount, PlaneDrops } from '../../plugins/engines/engine.ts';
import type { TestedEngine } from './engines.ts';

export interface JobOptions extends Partial<GuestSpec> {
  /** Guards of the engine that this guest lacks. */
  readonly without?: readonly string[];
  /** How long the command may take. */
  readonly limitMs?: number;
  /** What the command reads from stdin. */
  readonly input?: string | Buffer;
  /** Serves a connection of the guest; by default its original destination is written to it. */
  readonly serve?: (socket: Socket) => void;
  /** Called with the prepared guest. */
  readonly prepared?: (guest: Guest) => void;
  readonly running?: (guest: Guest, output: () => string) => void | Promise<void>;
}

export interface JobResult {
  readonly exit: GuestExit;
  readonly stdout: string;
  /** Stdout as bytes. */
  readonly bytes: Buffer;
  readonly stderr: string;
  readonly boot: Readonly<Record<string, number>>;
  readonly drops: PlaneDrops;
}

const JOB_LIMIT_MS = 20_000;

export function specOf(options: Partial<GuestSpec>): GuestSpec {
  return {
    jobId: 'test', command: 'true', args: [], env: {}, mounts: [], maskedNames: ['.mentu', 'mentu.yaml'], hiddenPaths: [],
    network: 'plane', limits: NO_LIMITS, ports: [], rootfs: null, caCertificate: null, terminal: null, ...options,
  };
}

/** `script` for bash. */
export function shell(engine: TestedEngine, script: string, options: JobOptions = {}): Promise<JobResult> {
  return runJob(engine, { command: 'bash', args: ['-c', script], ...options });
}

export async function runJob(engine: TestedEngine, { without = [], input = '', limitMs, serve = tellDestination, prepared, running, ...spec }: JobOptions): Promise<JobResult> {
  const folder = mkdtempSync(join(tmpdir(), 'engine-test-'));
  const path = (name: string): string => join(folder, name);
  writeFileSync(path('in'), input);
  const stdio = [openSync(path('in'), 'r'), openSync(path('out'), 'w'), openSync(path('err'), 'w')] as const;
  let guest: Guest | null = null;
  try {
    guest = await (await engine.make(without)).prepare(specOf({ stdio, limits: engine.limits, ...spec }));
    consume(guest, serve);
    prepared?.(guest);
    await guest.run();
    await running?.(guest, () => readFileSync(path('out'), 'utf8'));
    const exit = await within(guest.exited, limitMs ?? JOB_LIMIT_MS * engine.patience);
    const drops = await guest.drops();
    const bytes = readFileSync(path('out'));
    return { exit, drops, boot: guest.boot, bytes, stdout: bytes.toString(), stderr: readFileSync(path('err'), 'utf8') };
  } finally {
    await guest?.close();
    for (const fd of stdio) closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

/** The Node that runs the test, in the guest: `/opt/node/node`. */
export const NODE_MOUNT: Mount = { source: process.execPath, destination: '/opt/node/node', readOnly: true };

function tellDestination(socket: Socket): void {
  socket.end(`${socket.localAddress} ${socket.localPort}\n`);
}

/** Answers TCP by `serve`, and each datagram by itself in capitals. */
export function consume(guest: Guest, serve: (socket: Socket) => void = tellDestination): void {
  for (const server of guest.listeners?.tcp ?? []) {
    server.on('connection', (socket: Socket) => {
      socket.on('error', () => undefined);
      serve(socket);
    });
  }
  for (const socket of guest.listeners?.dns ?? []) {
    socket.on('message', (message, { port, address }) => socket.send(String(message).toUpperCase(), port, address));
  }
}

export async function within<Result>(promise: Promise<Result>, limitMs = JOB_LIMIT_MS): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not within ${limitMs} ms`)), limitMs);
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}

/** Waits until a condition holds. */
export async function until(what: string, holds: () => boolean, limitMs = 5000): Promise<void> {
  for (const start = Date.now(); !holds(); await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (Date.now() - start > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
  }
}
