/** Runs one command in a guest, in this process, with its output in files, and a consumer on the plane's listeners. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { NO_LIMITS } from '../../../../plugins/engines/engine.ts';
import type { Guest, GuestExit, GuestSpec, PlaneDrops } from '../../../../plugins/engines/engine.ts';
import { NamespaceEngine } from '../../../../plugins/engines/namespace/engine.ts';
import type { Guard } from '../../../../plugins/engines/namespace/guards.ts';

export interface JobOptions extends Partial<GuestSpec> {
  readonly without?: readonly Guard[];
  /** How long the command may take. */
  readonly limitMs?: number;
  /** What the command reads from stdin. */
  readonly input?: string;
  /** Serves a connection of the guest; by default its original destination is written to it. */
  readonly serve?: (socket: Socket) => void;
  /** Called with the prepared guest. */
  readonly prepared?: (guest: Guest) => void;
  readonly running?: (guest: Guest) => void | Promise<void>;
}

export interface JobResult {
  readonly exit: GuestExit;
  readonly stdout: string;
  readonly stderr: string;
  readonly boot: Readonly<Record<string, number>>;
  readonly drops: PlaneDrops;
}

export const JOB_LIMIT_MS = 20_000;

export function specOf(options: Partial<GuestSpec>): GuestSpec {
  return {
    jobId: 'test', command: 'true', args: [], env: {}, mounts: [], maskedNames: ['.mentu', 'mentu.yaml'], hiddenPaths: [],
    network: 'plane', limits: NO_LIMITS, ports: [], rootfs: null, caCertificate: null, terminal: null, ...options,
  };
}

/** `script` for bash. */
export function shell(script: string, options: JobOptions = {}): Promise<JobResult> {
  return runJob({ command: 'bash', args: ['-c', script], ...options });
}

export async function runJob({ without = [], input = '', limitMs = JOB_LIMIT_MS, serve = tellDestination, prepared, running, ...spec }: JobOptions): Promise<JobResult> {
  const folder = mkdtempSync(join(tmpdir(), 'engine-test-'));
  const path = (name: string): string => join(folder, name);
  writeFileSync(path('in'), input);
  const stdio = [openSync(path('in'), 'r'), openSync(path('out'), 'w'), openSync(path('err'), 'w')] as const;
  let guest: Guest | null = null;
  try {
    guest = await new NamespaceEngine({ without }).prepare(specOf({ stdio, ...spec }));
    consume(guest, serve);
    prepared?.(guest);
    await guest.run();
    await running?.(guest);
    const exit = await bounded(guest.exited, limitMs);
    const drops = await guest.drops();
    return { exit, drops, boot: guest.boot, stdout: readFileSync(path('out'), 'utf8'), stderr: readFileSync(path('err'), 'utf8') };
  } finally {
    await guest?.close();
    for (const fd of stdio) closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

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

export async function bounded<Result>(promise: Promise<Result>, limit = JOB_LIMIT_MS): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not within ${limit} ms`)), limit);
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}
