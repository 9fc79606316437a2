/**
 * An explicit proxy on one port: HTTP with CONNECT (RFC 9110, section 9.3.6) and absolute-form requests
 * (RFC 9112, section 3.2.2), and SOCKS5 (RFC 1928). What a client wants to reach is captured as if it had dialled it.
 */
import type { Server, Socket } from 'node:net';
import { STATUS_CODES } from 'node:http';
import { MentuError, statusOf } from '../errors.ts';
import { Headers } from '../headers.ts';
import { Backlog } from '../http1/backlog.ts';
import { endAndLinger } from '../http1/closing.ts';
import { MAX_HEAD_BYTES, parseRequestHead, writeHead } from '../http1/head.ts';
import { splitAuthority } from '../names/authority.ts';
import { destinationOf } from '../names/destination.ts';
import { SOCKS_VERSION, SocksHandshake, type SocksStep } from './socks.ts';
import type { Accept } from './transparent.ts';

/** Milliseconds in which a client must say what it wants. */
const PATIENCE = 30_000;
const CONNECT = 'CONNECT ';
const ESTABLISHED = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n');

export interface ExplicitEvents {
  /** A tunnel to a destination. */
  readonly accept: Accept;
  /** A connection that carries absolute-form requests, from its first byte. */
  readonly forward: (socket: Socket) => void;
  /** A connection for which there is no room among those that have not said what they want. */
  readonly crowded: (socket: Socket) => void;
  /** A CONNECT that cannot be understood; it is answered already. */
  readonly refused: (socket: Socket, error: MentuError) => void;
}

export class ExplicitListener {
  readonly #server: Server;
  readonly #events: ExplicitEvents;
  /** Clients that have not said yet what they want, or were refused it. */
  readonly #greeting = new Set<Socket>();
  readonly #maxConnections: number;

  /** The server is its owner's to open and to close. @param maxConnections clients that are greeted at once; those that have been are for `events` to count. */
  constructor(server: Server, events: ExplicitEvents, maxConnections: number) {
    this.#server = server;
    this.#maxConnections = maxConnections;
    this.#events = events;
    Object.assign(server, { allowHalfOpen: true, noDelay: true });
    server.on('connection', this.#onConnection);
  }

  /** From here on connections are refused, until the server's owner closes it. */
  close(): void {
    this.#server.off('connection', this.#onConnection);
    this.#server.on('connection', refuse);
    for (const socket of this.#greeting) socket.destroy();
  }

  readonly #onConnection = (socket: Socket): void => {
    if (this.#greeting.size >= this.#maxConnections) return this.#events.crowded(socket);
    this.#greeting.add(socket);
    const settle = (): void => {
      clearTimeout(timer);
      socket.off('readable', onReadable);
      socket.off('end', left);
    };
    const act = (step: Step): void => {
      if (step.kind === 'more') return void (step.reply && socket.write(step.reply));
      settle();
      if (step.kind === 'refuse') {
        if (step.error) this.#events.refused(socket, step.error);
        socket.write(step.reply);
        return endAndLinger(socket);
      }
      this.#greeting.delete(socket);
      if (step.rest.length > 0) socket.unshift(step.rest);
      if (step.kind === 'forward') return this.#events.forward(socket);
      socket.write(step.reply);
      this.#events.accept(socket, step.destination);
    };
    let greeting: Greeting | null = null;
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      greeting ??= chunk[0] === SOCKS_VERSION ? new SocksHandshake() : new HttpGreeting();
      act(greeting.read(chunk));
    };
    // Who has ended its half will not say any more.
    const left = (): void => void socket.destroy();
    const timer = setTimeout(left, PATIENCE);
    socket.on('error', () => {});
    socket.on('readable', onReadable);
    socket.on('end', left);
    socket.once('close', () => {
      settle();
      this.#greeting.delete(socket);
    });
  };
}

function refuse(socket: Socket): void {
  socket.destroy();
}

type Step = (SocksStep & { readonly error?: MentuError }) | { readonly kind: 'forward'; readonly rest: Buffer };

interface Greeting {
  read(chunk: Buffer): Step;
}

/** A CONNECT head, or anything else, which is for who forwards requests. */
class HttpGreeting implements Greeting {
  readonly #backlog = new Backlog();

  read(chunk: Buffer): Step {
    this.#backlog.add(chunk);
    const { bytes } = this.#backlog;
    const method = bytes.toString('latin1', 0, CONNECT.length);
    if (method !== CONNECT) return CONNECT.startsWith(method) ? { kind: 'more', reply: null } : { kind: 'forward', rest: bytes };
    const end = this.#backlog.headEnd();
    if (end === -1) return bytes.length > MAX_HEAD_BYTES ? refusal('the head is longer than 128 KiB') : { kind: 'more', reply: null };
    try {
      const { target } = parseRequestHead(bytes.toString('latin1', 0, end));
      const authority = splitAuthority(target);
      if (!authority || authority.port === null) return refusal(`CONNECT wants host:port, not ${JSON.stringify(target)}`);
      return { kind: 'connect', reply: ESTABLISHED, destination: destinationOf(authority.host, authority.port), rest: bytes.subarray(end + 4) };
    } catch (error) {
      return refusal(error instanceof Error ? error.message : String(error));
    }
  }
}

function refusal(reason: string): Step {
  const error = new MentuError('bad_request', { reason });
  const status = statusOf(error.code);
  const body = JSON.stringify({ error: error.code, message: error.message }) + '\n';
  const headers = new Headers(['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), 'connection', 'close']);
  return { kind: 'refuse', error, reply: Buffer.from(writeHead(`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, headers) + body) };
}
