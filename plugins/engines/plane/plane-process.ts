/**
 * The host's side of a helper process: one Node process per job that lives in a user, mount and network namespace of
 * its own, builds the plane there and starts the guest. It ends with its IPC channel, so also when this process is
 * killed.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:dgram';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MentuError } from '../../../core/index.ts';
import type { PlaneListeners } from '../engine.ts';
import type { PacketStream } from './packet-stream.ts';
import type { HelperExit, HelperMessage, HelperOptions, HelperReplies, HelperRequest } from './message.ts';
import { HelperUdp } from './plane-udp.ts';

/** No request but `start` takes long; a helper that does not answer within this is taken for lost. */
const REPLY_LIMIT_MS = 30_000;
/** A helper that has not ended by itself after this is killed, and its guest with it. */
const END_LIMIT_MS = 5_000;
/** What the last packets take beyond that. */
const PACKETS_LIMIT_MS = 5_000;
/** Connections that wait to be accepted; the kernel's own limit (somaxconn) applies beneath. */
const BACKLOG = 4096;
/** What is kept of a helper's last words. */
const WORDS_LIMIT = 4096;

export interface HelperSpawn {
  /** The engine's helper script, `.ts` in a checkout and `.js` in a package. */
  readonly entry: URL;
  readonly options: HelperOptions;
  /** Descriptors of this process that the guest gets as 0, 1 and 2; the helper has them as GUEST_STDIO. */
  readonly stdio: readonly [number, number, number];
  /** Where the guest's packets go, if anybody wants them; this lets go of them when it closes. */
  readonly packets?: PacketStream | null;
  /** How long the guest may take to be set up, in milliseconds. */
  readonly startLimitMs?: number;
}

type Handle = Server | Socket | TcpSocket;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class PlaneProcess<Start> {
  /** Null where the guest has no network. Rejects where the helper ends before it has sent them. */
  readonly listeners: Promise<PlaneListeners | null>;
  /** Resolves once, when the guest or the helper has ended. */
  readonly exited: Promise<HelperExit>;
  /** Resolves when the helper process is gone. */
  readonly ended: Promise<void>;
  /** Null where they are not wanted. */
  readonly packets: PacketStream | null;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #received = { tcp: [] as Server[], dns: [] as Socket[] };
  readonly #udp = new HelperUdp(this);
  #lastId = 0;
  readonly #startLimitMs: number;
  #settleListeners: Waiting;
  #settleExit: (exit: HelperExit) => void;

  constructor({ entry, options, stdio, packets = null, startLimitMs = REPLY_LIMIT_MS }: HelperSpawn) {
    this.#startLimitMs = startLimitMs;
    const listeners = Promise.withResolvers<PlaneListeners | null>();
    const exited = Promise.withResolvers<HelperExit>();
    const ended = Promise.withResolvers<void>();
    this.listeners = listeners.promise;
    this.listeners.catch(() => undefined);
    this.exited = exited.promise;
    this.ended = ended.promise;
    this.#settleListeners = listeners as Waiting;
    this.#settleExit = exited.resolve;
    if (options.network !== 'plane') listeners.resolve(null);
    const file = fileURLToPath(entry);
    const namespaces = ['--user', '--map-root-user', '--mount', ...(options.network === 'host' ? [] : ['--net'])];
    this.#child = spawn(options.tools.unshare, [...namespaces, process.execPath, '--no-warnings', file, JSON.stringify(options)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', ...stdio, ...(packets?.ends ?? [])],
      env: helperEnvironment(file),
      cwd: '/',
      detached: true, // a terminal's Ctrl-C is the host's to forward
    });
    this.packets = packets;
    packets?.release();
    let words = '';
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      words = (words + chunk).slice(-WORDS_LIMIT);
    });
    this.#child.on('message', (message, handle) => this.#receive(message as HelperMessage, handle as Handle | undefined));
    this.#child.on('error', (error) => this.#lost(error.message, ended.resolve));
    this.#child.on('exit', (code, signal) => this.#lost(words.trim() || `it ended with ${signal ?? `code ${code}`}`, ended.resolve));
  }

  request<Name extends keyof HelperReplies>(request: Name, extra: object = {}): Promise<HelperReplies[Name]> {
    if (!this.#child.connected) return Promise.reject(new MentuError('engine_helper_lost', { reason: 'it has ended' }));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => reject(new MentuError('engine_helper_lost', { reason: `no answer to "${request}"` })), request === 'start' ? this.#startLimitMs : REPLY_LIMIT_MS);
    this.#waiting.set(id, { resolve, reject });
    this.#child.send({ id, request, ...extra } as HelperRequest<Start>, (error) => error && reject(error));
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }) as Promise<HelperReplies[Name]>;
  }

  /** Lets the helper end its guest and itself, bounded in time. The listeners are closed. */
  async close(): Promise<void> {
    for (const socket of [...this.#received.tcp.splice(0), ...this.#received.dns.splice(0)]) closeQuietly(socket);
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_LIMIT_MS + (this.packets ? PACKETS_LIMIT_MS : 0));
    await this.ended;
    clearTimeout(timer);
    this.packets?.close();
  }

  #receive(message: HelperMessage, handle: Handle | undefined): void {
    switch (message.message) {
      case 'reply':
        return this.#waiting.get(message.id)?.resolve(message.value);
      case 'failure':
        return this.#waiting.get(message.id)?.reject(message.code ? Object.assign(new Error(message.reason), { code: message.code }) : new MentuError('engine_failed', { reason: message.reason }));
      case 'connection': {
        const waiting = this.#waiting.get(message.id);
        const socket = handle as TcpSocket;
        socket.allowHalfOpen = true;
        if (waiting) waiting.resolve(socket);
        else socket.destroy();
        return;
      }
      case 'datagrams': {
        const waiting = this.#waiting.get(message.id);
        if (waiting) waiting.resolve(handle);
        else (handle as Socket).close();
        return;
      }
      case 'datagram':
        return this.#udp.receive(message.data, message.from, message.to);
      case 'exited':
        return this.#settleExit(message.exit);
      case 'listener': {
        // As it comes it has a queue of Node's own length.
        if (message.kind === 'tcp') this.#received.tcp.push(createServer().listen(handle as Server, BACKLOG));
        else this.#received.dns.push(handle as Socket);
        const { tcp, dns } = this.#received;
        if (message.last) this.#settleListeners.resolve({ tcp: [...tcp], dns: [...dns], udp: this.#udp } satisfies PlaneListeners);
      }
    }
  }

  #lost(reason: string, ended: () => void): void {
    const error = new MentuError('engine_helper_lost', { reason });
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#settleListeners.reject(error);
    this.#settleExit({ code: null, reason: error.message });
    ended();
  }
}

/**
 * Nothing of the host's environment reaches the helper. From sources, stripped types are cached under the checkout's
 * `.cache`, which saves some 30 ms per start.
 */
function helperEnvironment(file: string): Record<string, string> {
  if (!file.endsWith('.ts')) return {};
  const checkout = join(dirname(fileURLToPath(import.meta.url)), '../../..');
  return { NODE_COMPILE_CACHE: join(checkout, '.cache/compile') };
}

function closeQuietly(socket: Server | Socket): void {
  try {
    socket.close();
  } catch {
    // closed by who used it
  }
}
